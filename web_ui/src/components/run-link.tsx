"use client";
import { useQuery } from "@tanstack/react-query";
import { runQueries } from "@/lib/api/runs";
import { Link } from "@/lib/nav";

/** A link to a run of which only the id is known: its project is looked up (once, then it is in the cache). */
export function RunLink({ runId, name, projectId }: { runId: string; name?: string; projectId?: string }) {
  const run = useQuery({
    ...runQueries.one(runId),
    enabled: !projectId,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const label = name ?? run.data?.name ?? "a run";
  const project = projectId ?? run.data?.project_id;
  if (!project) return <span className="truncate">{label}</span>;
  return (
    <Link
      className="truncate text-primary hover:underline"
      title={label}
      href={`/projects/${project}/runs/${runId}`}
    >
      {label}
    </Link>
  );
}
