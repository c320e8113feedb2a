"use client";
import { useQuery } from "@tanstack/react-query";
import { FlaskConical, Play } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import { PageHeader } from "@/components/page-header";
import { Empty, isMissing, Loaded, Missing } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Skeleton, SkeletonRows } from "@/components/ui/skeleton";
import { GroupSelect } from "@/features/project/groups-menu";
import { RunActions } from "@/features/project/run-actions";
import { RunsChart } from "@/features/project/runs-chart";
import { RunsTable } from "@/features/project/runs-table";
import { RunsToolbar, useColumns } from "@/features/project/runs-toolbar";
import { type RunsState, useRuns } from "@/features/project/use-runs";
import { projectQueries } from "@/lib/api/projects";
import { count } from "@/lib/format";
import { useLiveProject } from "@/lib/live/cache";
import { Link, useIds, useTitle } from "@/lib/nav";
import { useUi } from "@/lib/ui-store";

const CHARTED = 5;

/** The selected runs of this project; none selected: the best ones that are shown. */
function useCharted({ shown }: RunsState): { charted: string[]; selected: string[] } {
  const all = useUi((s) => s.selectedRuns);
  const here = useMemo(() => new Set(shown.map((r) => r.id)), [shown]);
  // As text, so that news of a run leave the list what it was: the chart is drawn anew when it changes.
  const chosen = useMemo(() => all.filter((id) => here.has(id)).join(","), [all, here]);
  const best = useMemo(() => {
    const ranked = shown.filter((r) => r.best_value != null || r.state === "running");
    const isLower = ranked.some((r) => r.best_metric?.includes("loss"));
    const worth = (v: number | null | undefined) => (v == null ? Number.NEGATIVE_INFINITY : isLower ? -v : v);
    return [...ranked]
      .sort((a, b) => worth(b.best_value) - worth(a.best_value))
      .slice(0, CHARTED)
      .map((r) => r.id)
      .join(",");
  }, [shown]);
  return useMemo(() => {
    const selected = chosen ? chosen.split(",") : [];
    return { charted: selected.length || !best ? selected : best.split(","), selected };
  }, [chosen, best]);
}

function Runs({ id }: { id: string }) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const runs = useRuns(id, closed);
  const [columns] = useColumns(runs.columns);
  const { charted, selected } = useCharted(runs);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = runs.query;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const toggleGroup = (key: string) =>
    setClosed((old) => new Set(old.has(key) ? [...old].filter((k) => k !== key) : [...old, key]));
  const loading = runs.needsAll && hasNextPage ? `, reading all: ${count(runs.shown.length)}` : "";
  return (
    <>
      {charted.length > 0 && (
        <RunsChart runs={runs.shown} charted={charted} isSelection={selected.length > 0} />
      )}
      <Card>
        <CardHeader title="Runs" hint={runs.total != null && `${count(runs.total)}${loading}`}>
          <RunActions projectId={id} selected={selected} />
          <GroupSelect projectId={id} />
          <RunsToolbar runs={runs} />
        </CardHeader>
        <Loaded query={runs.query} skeleton={<SkeletonRows rows={8} />}>
          {() =>
            runs.rows.length ? (
              <RunsTable
                projectId={id}
                rows={runs.rows}
                columns={columns}
                sort={runs.sort}
                setSort={runs.setSort}
                charted={charted}
                toggleGroup={toggleGroup}
                onEnd={onEnd}
              />
            ) : (
              <NoRuns id={id} runs={runs} />
            )
          }
        </Loaded>
      </Card>
    </>
  );
}

function NoRuns({ id, runs }: { id: string; runs: RunsState }) {
  if (runs.text)
    return (
      <Empty title="No run matches the filter.">
        <Button variant="outline" onClick={() => runs.setText("")}>
          Clear the filter
        </Button>
      </Empty>
    );
  return (
    <Empty title="There are no runs here yet." icon={<FlaskConical />}>
      Write a config and queue it.
      <Button variant="outline" asChild>
        <Link href={`/projects/${id}/configs/new`}>New config</Link>
      </Button>
    </Empty>
  );
}

export function ProjectPage() {
  const { id } = useIds<"id">("/projects/:id");
  const project = useQuery(projectQueries.one(id));
  useTitle(project.data?.name);
  useLiveProject(id);
  if (isMissing(project.error)) return <Missing error={project.error} />;
  return (
    <>
      <PageHeader
        title={project.data?.name ?? (project.error ? "Project" : <Skeleton className="h-6 w-40" />)}
        trail={[{ href: "/", label: "Projects" }]}
        meta={
          project.data?.description && <p className="text-muted-foreground">{project.data.description}</p>
        }
      >
        <Button size="md" asChild>
          <Link href={`/projects/${id}/configs`}>
            <Play aria-hidden /> New run
          </Link>
        </Button>
      </PageHeader>
      <div className="flex flex-col gap-4 px-4 pb-6 md:px-6">
        <Runs id={id} />
      </div>
    </>
  );
}
