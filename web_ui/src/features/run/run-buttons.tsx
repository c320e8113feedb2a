"use client";
import { useQuery } from "@tanstack/react-query";
import {
  Archive,
  ChartLine,
  Copy,
  EllipsisVertical,
  Pause,
  Play,
  RotateCcw,
  Square,
  Trash2,
} from "lucide-react";
import { useState } from "react";
import { isAlive } from "@/components/state-badge";
import { Button } from "@/components/ui/button";
import { Menu, MenuItem, MenuLine } from "@/components/ui/menu";
import { DeleteRun } from "@/features/run/delete-run";
import { useAct } from "@/lib/api/mutation";
import { actOnRun, type RunAction, type RunDetail, updateRun } from "@/lib/api/runs";
import { sessionQueries } from "@/lib/api/session";
import { useGo } from "@/lib/nav";

const SAID: Record<RunAction, string> = {
  stop: "Asked to stop: the run saves and ends",
  pause: "Asked to pause: the run saves and waits for you",
  resume: "Queued: it goes on where it stopped",
  retry: "Queued again",
  clone: "Queued as a new run with the same config",
};

/** What the state allows first; the server refuses what does not fit, with the reason. */
export function RunButtons({ run }: { run: RunDetail }) {
  const go = useGo();
  const [isDeleting, setDeleting] = useState(false);
  const meta = useQuery(sessionQueries.meta());
  const changes = [
    ["runs", run.id],
    ["projects", run.project_id, "runs"],
  ];
  const update = useAct(updateRun, {
    changes,
    done: run.archived_at ? "Taken out of the archive" : "Archived",
  });
  const act = useAct(actOnRun, {
    changes,
    done: (_, { action }) => SAID[action],
    onDone: (r) => r.id !== run.id && go(`/projects/${r.project_id}/runs/${r.id}`),
  });
  const does = (action: RunAction) => () => act.mutate({ id: run.id, action });
  const isMoving = isAlive(run.state) || run.state === "queued";
  const isOver = ["failed", "stopped"].includes(run.state);
  return (
    <>
      {run.state === "running" && (
        <Button variant="outline" size="md" onClick={does("pause")} disabled={act.isPending}>
          <Pause aria-hidden /> Pause
        </Button>
      )}
      {(run.state === "paused" || isOver) && (
        <Button variant="outline" size="md" onClick={does("resume")} disabled={act.isPending}>
          <Play aria-hidden /> Resume
        </Button>
      )}
      {isMoving ? (
        <Button
          variant="destructive"
          size="md"
          onClick={does("stop")}
          disabled={act.isPending || run.state === "stopping"}
        >
          <Square aria-hidden /> Stop
        </Button>
      ) : (
        <Button variant="outline" size="md" onClick={does("clone")} disabled={act.isPending}>
          <Copy aria-hidden /> Run again
        </Button>
      )}
      <Menu
        trigger={
          <Button variant="outline" size="md" aria-label="More actions" className="px-2">
            <EllipsisVertical aria-hidden />
          </Button>
        }
      >
        {meta.data?.tensorboard && (
          <MenuItem onSelect={() => go(`/projects/${run.project_id}/tensorboard?runs=${run.id}`)}>
            <ChartLine aria-hidden /> TensorBoard
          </MenuItem>
        )}
        {isOver && (
          <MenuItem onSelect={does("retry")}>
            <RotateCcw aria-hidden /> Retry
          </MenuItem>
        )}
        <MenuItem onSelect={() => update.mutate({ id: run.id, is_archived: !run.archived_at })}>
          <Archive aria-hidden /> {run.archived_at ? "Take out of the archive" : "Archive"}
        </MenuItem>
        <MenuLine />
        <MenuItem onSelect={() => setDeleting(true)} className="text-bad">
          <Trash2 aria-hidden /> Delete…
        </MenuItem>
      </Menu>
      <DeleteRun run={run} open={isDeleting} setOpen={setDeleting} />
    </>
  );
}
