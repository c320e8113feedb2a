"use client";
// The one place where what the socket says changes the query cache; pages only read queries.
import { type InfiniteData, type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { clusterQueries } from "@/lib/api/cluster";
import type { Run, RunDetail } from "@/lib/api/runs";
import { live, type ServerMessage } from "./socket";

type RunPages = InfiniteData<{ items: Run[]; next_cursor?: string | null; total?: number | null }>;

type News = Extract<ServerMessage, { type: "run" }>["run"];

/** Puts what changed of a run into its own page and into every list that shows it; says whether a list had it. */
export function putRun(client: QueryClient, run: News): boolean {
  const old = client.getQueryData<RunDetail>(["runs", run.id]);
  if (old) client.setQueryData<RunDetail>(["runs", run.id], { ...old, ...run });
  if (old && (old.state !== run.state || old.attempt !== run.attempt))
    readAnew(client, run.id, old.attempt !== run.attempt);
  let isListed = false;
  client.setQueriesData<RunPages>({ queryKey: ["projects", run.project_id, "runs"] }, (pages) => {
    if (!pages?.pages.some((p) => p.items.some((r) => r.id === run.id))) return pages;
    isListed = true;
    const swap = (r: Run) => (r.id === run.id ? { ...r, ...run } : r);
    return { ...pages, pages: pages.pages.map((p) => ({ ...p, items: p.items.map(swap) })) };
  });
  return isListed;
}

/** Attempts and the cause of a failure come with the run's own page only; a new attempt may replace the end of curves. */
function readAnew(client: QueryClient, runId: string, isNewAttempt: boolean) {
  void client.invalidateQueries({ queryKey: ["runs", runId], exact: true });
  void client.invalidateQueries({ queryKey: ["runs", runId, "streams"] });
  if (isNewAttempt) void client.invalidateQueries({ queryKey: ["metrics"] });
}

const FILES_OF = [
  ["checkpoint", "checkpoints"],
  ["evaluat", "evaluations"],
  ["epoch", "evaluations"],
  ["figure", "figures"],
  ["metric", "metric-names"],
] as const;

function noteEvent(client: QueryClient, runId: string, type: string) {
  void client.invalidateQueries({ queryKey: ["runs", runId, "events"] });
  for (const [part, key] of FILES_OF)
    if (type.includes(part)) void client.invalidateQueries({ queryKey: ["runs", runId, key] });
}

/** What lists are chosen by: a run that none shows is looked for again when this changes, not at each step it makes. */
const placeOf = (r: News) =>
  JSON.stringify([r.state, r.name, r.owner, r.tags, r.group_id, r.archived_at, r.best_value]);

export function takeRunMessages(
  client: QueryClient,
  batch: ServerMessage[],
  { runId, places = new Map() }: { runId?: string; places?: Map<string, string> } = {},
): number {
  let seq = 0;
  let hasNew = false;
  for (const m of batch) {
    if (m.type === "run") {
      seq = Math.max(seq, m.seq);
      const place = placeOf(m.run);
      hasNew = (!putRun(client, m.run) && places.get(m.run.id) !== place) || hasNew;
      places.set(m.run.id, place);
    } else if (m.type === "run_event") {
      seq = Math.max(seq, m.event.seq);
      if (runId) noteEvent(client, runId, m.event.type);
    }
  }
  if (hasNew && !runId)
    void client.invalidateQueries({ queryKey: ["projects"], predicate: (q) => q.queryKey[2] === "runs" });
  return seq;
}

export function useLiveRun(runId: string) {
  const client = useQueryClient();
  useEffect(() => {
    let seq: number | undefined;
    return live().subscribe({
      ask: () => ({ topic: "run", run_id: runId, after_seq: seq }),
      take: (batch) => {
        seq = Math.max(seq ?? 0, takeRunMessages(client, batch, { runId })) || undefined;
      },
    });
  }, [client, runId]);
}

export function useLiveProject(projectId: string) {
  const client = useQueryClient();
  useEffect(() => {
    let seq: number | undefined;
    const places = new Map<string, string>();
    return live().subscribe({
      ask: () => ({ topic: "project", project_id: projectId, after_seq: seq }),
      take: (batch) => {
        seq = Math.max(seq ?? 0, takeRunMessages(client, batch, { places })) || undefined;
      },
    });
  }, [client, projectId]);
}

export function useLiveQueue() {
  const client = useQueryClient();
  useEffect(
    () =>
      live().subscribe({
        ask: () => ({ topic: "queue" }),
        take: (batch) => {
          const last = batch.findLast((m) => m.type === "queue");
          if (last?.type === "queue")
            client.setQueryData(clusterQueries.queue().queryKey, {
              ...last,
              next_cursor: null,
              total: last.items.length,
            });
        },
      }),
    [client],
  );
}

export function useLiveAgents() {
  const client = useQueryClient();
  useEffect(
    () =>
      live().subscribe({
        ask: () => ({ topic: "agents" }),
        take: (batch) => {
          const last = batch.findLast((m) => m.type === "agents");
          if (last?.type === "agents")
            client.setQueryData(clusterQueries.agents().queryKey, {
              items: last.items,
              next_cursor: null,
              total: last.items.length,
            });
        },
      }),
    [client],
  );
}
