"use client";
import type { ReactNode } from "react";
import { StateBadge } from "@/components/state-badge";
import { Badge } from "@/components/ui/badge";
import { Meter } from "@/components/ui/meter";
import { When } from "@/components/when";
import type { Run } from "@/lib/api/runs";
import { duration, metric, percent, plain } from "@/lib/format";

export type Column = {
  id: string;
  title: string;
  width: number; // pixels
  isRight?: boolean;
  serverSort?: string; // field that the server sorts by; others are sorted here, over all loaded rows
  cell: (run: Run) => ReactNode;
};

function Progress({ run }: { run: Run }) {
  if (run.state === "queued")
    return (
      <span className="truncate text-muted-foreground text-xs" title={run.wait_reason || undefined}>
        {run.position ? `#${run.position} ` : ""}
        {run.wait_reason || "waits"}
      </span>
    );
  if (run.progress == null)
    return (
      <span className="num text-muted-foreground text-xs">
        {run.epochs ? `${run.epoch ?? 0}/${run.epochs} epochs` : "–"}
      </span>
    );
  return (
    <span
      className="flex w-full items-center gap-2"
      title={`step ${run.step ?? 0} of ${run.total_steps ?? "?"}`}
    >
      <Meter share={run.progress} label="Progress" className="w-16" />
      <span className="num text-muted-foreground text-xs">
        {run.epoch ?? 0}/{run.epochs ?? "?"}
        {run.eta_s != null && run.state === "running" && ` · ${duration(run.eta_s)}`}
      </span>
    </span>
  );
}

const BASE: Column[] = [
  { id: "state", title: "State", width: 132, serverSort: "state", cell: (r) => <StateBadge run={r} /> },
  { id: "progress", title: "Progress", width: 210, cell: (r) => <Progress run={r} /> },
  {
    id: "best_value",
    title: "Best",
    width: 92,
    isRight: true,
    serverSort: "best_value",
    cell: (r) => <span title={r.best_metric ?? undefined}>{metric(r.best_value)}</span>,
  },
  { id: "group_name", title: "Group", width: 120, cell: (r) => r.group_name ?? "–" },
  { id: "owner", title: "Owner", width: 90, cell: (r) => r.owner ?? "–" },
  { id: "tags", title: "Tags", width: 130, cell: (r) => r.tags.map((t) => <Badge key={t}>{t}</Badge>) },
  {
    id: "run_time_s",
    title: "Time",
    width: 88,
    isRight: true,
    serverSort: "run_time_s",
    cell: (r) => (r.state === "queued" ? "–" : duration(r.run_time_s)),
  },
  {
    id: "created_at",
    title: "Created",
    width: 104,
    isRight: true,
    serverSort: "created_at",
    cell: (r) => <When at={r.created_at} />,
  },
  { id: "priority", title: "Priority", width: 76, isRight: true, cell: (r) => r.priority },
  { id: "attempt", title: "Attempts", width: 84, isRight: true, cell: (r) => r.attempt || "–" },
  { id: "failure_kind", title: "Failure", width: 130, cell: (r) => r.failure_kind ?? "–" },
  { id: "progress_share", title: "Done", width: 70, isRight: true, cell: (r) => percent(r.progress) },
];
export const DEFAULT_COLUMNS = [
  "state",
  "progress",
  "best_value",
  "group_name",
  "model_flavour",
  "lr",
  "batch_size",
  "run_time_s",
  "created_at",
];

/** All columns that these runs can show: their own, those of their configs, their metrics. */
export function columnsOf(runs: Run[]): Column[] {
  const [config, metrics] = [new Set<string>(), new Set<string>()];
  for (const r of runs.slice(0, 200)) {
    for (const f of Object.keys(r.highlights)) config.add(f);
    for (const m of Object.keys(r.metrics ?? {})) metrics.add(m);
  }
  const ofConfig = [...config].map((f): Column => {
    const isRight = runs.some((r) => typeof r.highlights[f] === "number");
    return { id: f, title: f, width: isRight ? 96 : 150, isRight, cell: (r) => plain(r.highlights[f]) };
  });
  const ofMetrics = [...metrics].map(
    (m): Column => ({ id: m, title: m, width: 110, isRight: true, cell: (r) => metric(r.metrics?.[m]) }),
  );
  return [...BASE, ...ofConfig.filter((c) => !BASE.some((b) => b.id === c.id)), ...ofMetrics];
}
