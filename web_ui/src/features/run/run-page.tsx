"use client";
import { useQuery } from "@tanstack/react-query";
import type { ComponentType } from "react";
import { PageHeader } from "@/components/page-header";
import { useProjectTrail } from "@/components/project-trail";
import { Failed, isMissing, Missing } from "@/components/states";
import { Skeleton } from "@/components/ui/skeleton";
import { Tabs, TabsContent, TabsList, TabsTrigger } from "@/components/ui/tabs";
import { CauseCard } from "@/features/run/cause-card";
import { CheckpointsTab } from "@/features/run/checkpoints-tab";
import { ConfigTab } from "@/features/run/config-tab";
import { EvaluationTab } from "@/features/run/evaluation-tab";
import { HistoryTab } from "@/features/run/history-tab";
import { LogsTab } from "@/features/run/logs-tab";
import { OverviewTab } from "@/features/run/overview-tab";
import { RunHeader } from "@/features/run/run-header";
import { SystemTab } from "@/features/run/system-tab";
import { type RunDetail, runQueries } from "@/lib/api/runs";
import { useKey } from "@/lib/keys";
import { useLiveRun } from "@/lib/live/cache";
import { useIds, useQueryState, useTitle } from "@/lib/nav";

const TABS: [string, string, ComponentType<{ run: RunDetail }>][] = [
  ["overview", "Curves", OverviewTab],
  ["logs", "Log", LogsTab],
  ["evaluation", "Evaluation", EvaluationTab],
  ["checkpoints", "Checkpoints", CheckpointsTab],
  ["system", "System", SystemTab],
  ["config", "Config", ConfigTab],
  ["history", "History", HistoryTab],
];

function RunTabs({ run }: { run: RunDetail }) {
  const [tab, setTab] = useQueryState("tab", "overview");
  const move = (step: number) => {
    const at = TABS.findIndex(([id]) => id === tab);
    setTab(TABS[(at + step + TABS.length) % TABS.length]?.[0] ?? "overview");
  };
  useKey("]", "Next tab", () => move(1));
  useKey("[", "Tab before", () => move(-1));
  return (
    <Tabs value={tab} onValueChange={setTab} className="min-w-0 px-4 pb-6 md:px-6">
      <TabsList className="pt-2">
        {TABS.map(([id, label]) => (
          <TabsTrigger key={id} value={id}>
            {label}
          </TabsTrigger>
        ))}
      </TabsList>
      {TABS.map(([id, , Tab]) => (
        <TabsContent key={id} value={id}>
          <Tab run={run} />
        </TabsContent>
      ))}
    </Tabs>
  );
}

const RunSkeleton = () => (
  <div role="status" aria-label="Loading" className="flex flex-col gap-4 px-6 pt-6">
    <Skeleton className="h-7 w-80" />
    <Skeleton className="h-14 w-full" />
    <div className="grid gap-4 xl:grid-cols-2">
      <Skeleton className="h-72" />
      <Skeleton className="h-72" />
    </div>
  </div>
);

export function RunPage() {
  const { id, run: runId } = useIds<"id" | "run">("/projects/:id/runs/:run");
  const run = useQuery(runQueries.one(runId));
  const trail = useProjectTrail(id);
  useTitle(run.data?.name);
  useLiveRun(runId);
  if (isMissing(run.error))
    return <Missing error={run.error} back={{ href: `/projects/${id}`, label: "All runs of the project" }} />;
  if (!run.data && run.error)
    return (
      <>
        <PageHeader title="Run" trail={trail} />
        <Failed error={run.error} retry={() => void run.refetch()} />
      </>
    );
  if (!run.data) return <RunSkeleton />;
  return (
    <>
      <RunHeader run={run.data} />
      {run.data.cause && (
        <div className="px-4 pt-4 md:px-6">
          <CauseCard cause={run.data.cause} />
        </div>
      )}
      <RunTabs run={run.data} />
    </>
  );
}
