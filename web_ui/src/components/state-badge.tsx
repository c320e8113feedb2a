import {
  CircleCheck,
  CircleDashed,
  CirclePause,
  CircleSlash,
  CircleX,
  LoaderCircle,
  type LucideIcon,
  Rocket,
  TriangleAlert,
} from "lucide-react";
import type { Run } from "@/lib/api/runs";
import { cn } from "@/lib/cn";

export type RunState = Run["state"];
const LOOK: Record<RunState, { icon: LucideIcon; look: string; label: string }> = {
  draft: { icon: CircleDashed, look: "text-muted-foreground", label: "Draft" },
  queued: { icon: CircleDashed, look: "text-muted-foreground", label: "Queued" },
  submitting: { icon: Rocket, look: "text-live", label: "Submitting" },
  starting: { icon: Rocket, look: "text-live", label: "Starting" },
  running: { icon: LoaderCircle, look: "text-live [&_svg]:animate-spin", label: "Running" },
  stopping: { icon: LoaderCircle, look: "text-warn", label: "Stopping" },
  paused: { icon: CirclePause, look: "text-warn", label: "Paused" },
  succeeded: { icon: CircleCheck, look: "text-ok", label: "Succeeded" },
  failed: { icon: CircleX, look: "text-bad", label: "Failed" },
  stopped: { icon: CircleSlash, look: "text-warn", label: "Stopped" },
};
export const RUN_STATES = Object.keys(LOOK) as RunState[];
export const stateLabel = (s: RunState) => LOOK[s].label;
/** A run that may still move by itself. */
export const isAlive = (s: RunState) => ["submitting", "starting", "running", "stopping"].includes(s);

/** Never colour alone: an icon and a word too. */
export function StateBadge({
  run,
  className,
}: {
  run: Pick<Run, "state"> & Partial<Pick<Run, "health" | "health_detail">>;
  className?: string;
}) {
  const { icon: Icon, look, label } = LOOK[run.state];
  return (
    <span className={cn("inline-flex items-center gap-1.5 whitespace-nowrap", look, className)}>
      <Icon aria-hidden className="size-3.5 shrink-0" />
      {label}
      {run.health && run.health !== "ok" && (
        <span className="inline-flex items-center gap-1 text-warn" title={run.health_detail ?? undefined}>
          <TriangleAlert aria-hidden className="size-3.5" />
          {run.health}
        </span>
      )}
    </span>
  );
}
