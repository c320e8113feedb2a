"use client";
import { useQuery } from "@tanstack/react-query";
import { ExternalLink, LoaderCircle } from "lucide-react";
import { useMemo } from "react";
import { PageHeader } from "@/components/page-header";
import { useProjectTrail } from "@/components/project-trail";
import { Failed, isMissing, Missing } from "@/components/states";
import { Button } from "@/components/ui/button";
import { openTensorBoard } from "@/lib/api/cluster";
import { projectQueries } from "@/lib/api/projects";
import { useIds, useQueryState, useTitle } from "@/lib/nav";

const POLL_MS = 1000;

/** TensorBoard of a project, or of the runs that the address names; its process starts on demand. */
export function TensorBoardPage() {
  const { id } = useIds<"id">("/projects/:id/tensorboard");
  const [text] = useQueryState("runs", "");
  const runIds = useMemo(() => text.split(",").filter(Boolean), [text]);
  const project = useQuery(projectQueries.one(id));
  const trail = useProjectTrail(id);
  const board = useQuery({
    queryKey: ["tensorboard", id, runIds],
    queryFn: () => openTensorBoard(runIds.length ? { run_ids: runIds } : { project_id: id }),
    staleTime: Number.POSITIVE_INFINITY,
    refetchInterval: (q) => (q.state.data?.state === "starting" ? POLL_MS : false),
    enabled: !!id,
  });
  useTitle("TensorBoard");
  if (isMissing(project.error)) return <Missing error={project.error} />;
  return (
    <div className="flex h-full flex-col">
      <PageHeader title="TensorBoard" trail={trail}>
        {board.data?.state === "ready" && (
          <Button variant="outline" size="md" asChild>
            <a href={board.data.url} target="_blank" rel="noreferrer">
              <ExternalLink aria-hidden /> Own window
            </a>
          </Button>
        )}
      </PageHeader>
      {board.error && <Failed error={board.error} retry={() => void board.refetch()} />}
      {!board.error && board.data?.state !== "ready" && (
        <p role="status" className="flex items-center gap-2 px-6 text-muted-foreground">
          <LoaderCircle aria-hidden className="size-4 animate-spin" /> TensorBoard starts; this takes some
          seconds.
        </p>
      )}
      {board.data?.state === "ready" && (
        <iframe
          title="TensorBoard"
          src={board.data.url}
          className="min-h-0 w-full flex-1 border-t bg-white"
        />
      )}
    </div>
  );
}
