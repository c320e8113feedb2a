"use client";
import { useQuery } from "@tanstack/react-query";
import { Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Skeleton } from "@/components/ui/skeleton";
import { useAct } from "@/lib/api/mutation";
import { deleteRun, previewDeletion, type RunDetail } from "@/lib/api/runs";
import { bytes } from "@/lib/format";
import { useGo } from "@/lib/nav";

/** Says exactly what would go before it goes. */
export function DeleteRun({
  run,
  open,
  setOpen,
}: {
  run: RunDetail;
  open: boolean;
  setOpen: (o: boolean) => void;
}) {
  const go = useGo();
  const preview = useQuery({
    queryKey: ["runs", run.id, "deletion"],
    queryFn: () => previewDeletion(run.id),
    enabled: open,
    staleTime: 0,
  });
  const remove = useAct(deleteRun, {
    done: `${run.name} deleted`,
    changes: [["projects", run.project_id]],
    onDone: () => go(`/projects/${run.project_id}`),
  });
  return (
    <Dialog
      open={open}
      onOpenChange={setOpen}
      title={`Delete ${run.name}?`}
      description="This can't be undone."
    >
      <Loaded query={preview} skeleton={<Skeleton className="h-20" />}>
        {(d) => (
          <div className="flex flex-col gap-3">
            <p>{bytes(d.size_bytes)} on disk and all that is known of the run:</p>
            <ul
              // biome-ignore lint/a11y/noNoninteractiveTabindex: a scroll region must be reachable by keyboard
              tabIndex={0}
              className="max-h-40 overflow-auto break-all font-mono text-xs"
            >
              {d.paths.map((p) => (
                <li key={p}>{p}</li>
              ))}
            </ul>
            <div className="flex justify-end gap-2">
              <Button variant="ghost" size="md" onClick={() => setOpen(false)}>
                Keep
              </Button>
              <Button
                variant="destructive"
                size="md"
                disabled={remove.isPending}
                onClick={() => remove.mutate(run.id)}
              >
                Delete
              </Button>
            </div>
          </div>
        )}
      </Loaded>
    </Dialog>
  );
}
