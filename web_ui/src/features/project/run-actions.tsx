"use client";
import { Archive, GitCompare, RotateCcw, Square } from "lucide-react";
import { Button } from "@/components/ui/button";
import { useAct } from "@/lib/api/mutation";
import { actOnRuns, type BulkAction } from "@/lib/api/runs";
import { plural } from "@/lib/format";
import { useKey } from "@/lib/keys";
import { useGo } from "@/lib/nav";
import { toast } from "@/lib/toast";
import { useUi } from "@/lib/ui-store";

const MOST_COMPARED = 20;
const DONE: Record<BulkAction, string> = {
  stop: "asked to stop",
  pause: "asked to pause",
  archive: "archived",
  unarchive: "taken out of the archive",
  retry: "queued again",
};

/** What can be done with the selected runs at once. */
export function RunActions({ projectId, selected }: { projectId: string; selected: string[] }) {
  const go = useGo();
  const clear = () => useUi.getState().set({ selectedRuns: [] });
  const act = useAct(actOnRuns, {
    changes: [["projects", projectId, "runs"]],
    onDone: ({ items }, { action }) => {
      const refused = items.filter((r) => !r.ok);
      if (items.length > refused.length)
        toast("done", `${plural(items.length - refused.length, "run")} ${DONE[action]}`);
      const first = refused[0]?.problem;
      if (first)
        toast(
          "failed",
          `${plural(refused.length, "run")} refused: ${first.detail}`,
          first.way_out ?? undefined,
        );
    },
  });
  const canCompare = selected.length >= 2 && selected.length <= MOST_COMPARED;
  const compare = () => canCompare && go(`/projects/${projectId}/compare?runs=${selected.join(",")}`);
  useKey("c", "Compare the selected runs", compare);
  useKey("Escape", "Clear the selection", clear);
  const bulk = (action: BulkAction) => () => act.mutate({ action, run_ids: selected });
  if (!selected.length) return null;
  return (
    <div className="flex flex-wrap items-center gap-1">
      <span className="num px-1 text-muted-foreground text-xs">{selected.length} selected</span>
      <Button variant="secondary" disabled={!canCompare} onClick={compare} title="2 to 20 runs (c)">
        <GitCompare aria-hidden /> Compare
      </Button>
      <Button variant="ghost" onClick={bulk("stop")} disabled={act.isPending}>
        <Square aria-hidden /> Stop
      </Button>
      <Button variant="ghost" onClick={bulk("retry")} disabled={act.isPending}>
        <RotateCcw aria-hidden /> Retry
      </Button>
      <Button variant="ghost" onClick={bulk("archive")} disabled={act.isPending}>
        <Archive aria-hidden /> Archive
      </Button>
      <Button variant="ghost" onClick={clear}>
        Clear
      </Button>
    </div>
  );
}
