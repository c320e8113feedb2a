import { CircleCheck, CircleDashed, CircleX, LoaderCircle } from "lucide-react";
import { When } from "@/components/when";
import type { Dataset } from "@/lib/api/datasets";
import { count } from "@/lib/format";

export function ScanState({ dataset: d }: { dataset: Dataset }) {
  if (d.scan.state === "running")
    return (
      <span className="inline-flex items-center gap-1.5 text-live">
        <LoaderCircle aria-hidden className="size-3.5 animate-spin" />
        <span className="num">{count(d.scan.num_seen)} images seen</span>
      </span>
    );
  if (d.scan.state === "failed")
    return (
      <span className="inline-flex items-start gap-1.5 text-bad">
        <CircleX aria-hidden className="mt-0.5 size-3.5 shrink-0" />
        <span className="break-words">{d.scan.message ?? "failed"}</span>
      </span>
    );
  if (d.scan.state === "none")
    return (
      <span className="inline-flex items-center gap-1.5 text-muted-foreground">
        <CircleDashed aria-hidden className="size-3.5" /> not scanned
      </span>
    );
  return (
    <span className="inline-flex items-center gap-1.5 whitespace-nowrap text-ok">
      <CircleCheck aria-hidden className="size-3.5" />
      <span>
        scanned <When at={d.scanned_at} />
      </span>
    </span>
  );
}
