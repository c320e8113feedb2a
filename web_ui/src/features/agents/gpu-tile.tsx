"use client";
import { useState } from "react";
import { Sparkline } from "@/components/charts/sparkline";
import { RunLink } from "@/components/run-link";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/controls";
import { Dialog } from "@/components/ui/dialog";
import { Meter } from "@/components/ui/meter";
import { type Agent, type Gpu, quarantineGpu, releaseGpu } from "@/lib/api/cluster";
import { useAct } from "@/lib/api/mutation";
import { bytes } from "@/lib/format";

const TONE = { free: "ok", busy: "live", foreign: "warn", quarantined: "bad" } as const;
const MEANS = {
  free: "free",
  busy: "in use",
  foreign: "used by others",
  quarantined: "quarantined",
} as const;

function Quarantine({ gpu, close }: { gpu: Gpu; close: () => void }) {
  const [reason, setReason] = useState("");
  const act = useAct(quarantineGpu, { done: "Quarantined", changes: [["agents"]], onDone: close });
  return (
    <form
      className="flex flex-col gap-3"
      onSubmit={(e) => {
        e.preventDefault();
        act.mutate({ uuid: gpu.uuid, reason: reason.trim() });
      }}
    >
      <Field label="Reason" hint="Others see it beside the GPU. What runs on it goes on; nothing new starts.">
        {(aria) => <Input {...aria} value={reason} onChange={(e) => setReason(e.target.value)} />}
      </Field>
      <Button
        type="submit"
        size="md"
        variant="destructive"
        className="self-end"
        disabled={!reason.trim() || act.isPending}
      >
        Quarantine
      </Button>
    </form>
  );
}

function Occupants({ gpu, runs }: { gpu: Gpu; runs: Agent["runs"] }) {
  if (gpu.state === "quarantined") return <span className="break-words">{gpu.quarantine_reason}</span>;
  if (gpu.run_id)
    return <RunLink runId={gpu.run_id} name={runs.find((r) => r.run_id === gpu.run_id)?.name} />;
  if (gpu.state === "foreign")
    return (
      <span className="truncate">
        {gpu.processes
          .map((p) => `${p.name ?? p.pid}${p.user ? ` of ${p.user}` : ""} ${bytes(p.memory_bytes)}`)
          .join(", ")}
      </span>
    );
  return <span>nothing runs here</span>;
}

export function GpuTile({
  gpu: g,
  runs,
  recent,
}: {
  gpu: Gpu;
  runs: Agent["runs"];
  recent: (number | null)[];
}) {
  const [isAsking, setAsking] = useState(false);
  const release = useAct(releaseGpu, { done: "Released", changes: [["agents"]] });
  const share = g.memory_used_bytes == null || !g.memory_bytes ? 0 : g.memory_used_bytes / g.memory_bytes;
  return (
    <div className="flex min-w-0 flex-col gap-2 bg-card p-3 text-xs">
      <div className="flex items-center gap-2">
        <span className="whitespace-nowrap font-medium">GPU {g.index}</span>
        <span className="truncate text-muted-foreground">{g.name}</span>
        <Badge tone={TONE[g.state]} className="ml-auto">
          {MEANS[g.state]}
        </Badge>
      </div>
      <div className="flex items-end gap-2">
        <div className="flex-1">
          <div className="flex justify-between">
            <span className="text-muted-foreground">Use</span>
            <span className="num">
              {g.utilization_percent == null ? "–" : `${g.utilization_percent.toFixed(0)}%`}
            </span>
          </div>
          <Meter
            share={(g.utilization_percent ?? 0) / 100}
            label={`Use of GPU ${g.index}`}
            className="mt-1"
          />
        </div>
        <Sparkline values={recent.flatMap((v) => v ?? [])} label="Use in the last 30 minutes" />
      </div>
      <div>
        <div className="flex justify-between gap-2">
          <span className="text-muted-foreground">Memory</span>
          <span className="num">
            {bytes(g.memory_used_bytes)} of {bytes(g.memory_bytes)}
          </span>
        </div>
        <Meter share={share} label={`Memory of GPU ${g.index}`} isHigh={share > 0.95} className="mt-1" />
      </div>
      <div className="num flex justify-between text-muted-foreground">
        <span>{g.temperature_c == null ? "–" : `${g.temperature_c.toFixed(0)} °C`}</span>
        <span>{g.power_w == null ? "–" : `${g.power_w.toFixed(0)} W`}</span>
      </div>
      <div className="flex min-h-7 items-center gap-2 text-muted-foreground">
        <div className="min-w-0 flex-1 truncate">
          <Occupants gpu={g} runs={runs} />
        </div>
        {g.state === "quarantined" ? (
          <Button variant="ghost" onClick={() => release.mutate(g.uuid)} disabled={release.isPending}>
            Release
          </Button>
        ) : (
          <Button variant="ghost" onClick={() => setAsking(true)}>
            Quarantine
          </Button>
        )}
      </div>
      <Dialog open={isAsking} onOpenChange={setAsking} title={`Quarantine GPU ${g.index}`}>
        <Quarantine gpu={g} close={() => setAsking(false)} />
      </Dialog>
    </div>
  );
}
