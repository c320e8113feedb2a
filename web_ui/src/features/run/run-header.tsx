"use client";
import { type Fact, FactList } from "@/components/fact-list";
import { PageHeader } from "@/components/page-header";
import { useProjectTrail } from "@/components/project-trail";
import { StateBadge } from "@/components/state-badge";
import { When } from "@/components/when";
import { Notes } from "@/features/run/notes";
import { RunButtons } from "@/features/run/run-buttons";
import { TagsEditor } from "@/features/run/tags-editor";
import type { RunDetail } from "@/lib/api/runs";
import { duration, metric, percent, plural } from "@/lib/format";

/** What one wants to know at a glance; of a queued run: why it waits and since when, not times that it has not had. */
function facts(run: RunDetail): Fact[] {
  if (run.state === "queued")
    return [
      { name: "Position", value: run.position ? `#${run.position}` : "–" },
      {
        name: "Starts in",
        value: run.starts_in_s == null ? "unknown" : `about ${duration(run.starts_in_s)}`,
      },
      { name: "Priority", value: String(run.priority) },
    ];
  const list: Fact[] = [
    { name: "Epoch", value: run.epochs ? `${run.epoch ?? 0} / ${run.epochs}` : "–" },
    {
      name: "Step",
      value: run.step == null ? "–" : `${run.step}${run.total_steps ? ` / ${run.total_steps}` : ""}`,
      hint: run.progress == null ? undefined : percent(run.progress),
    },
    { name: "Time", value: duration(run.run_time_s), hint: run.attempt > 1 ? "of all attempts" : undefined },
  ];
  if (run.state === "running") list.push({ name: "Left", value: duration(run.eta_s) });
  if (run.best_metric)
    list.push({
      name: `Best ${run.best_metric}`,
      value: metric(run.best_value),
      hint: run.best_epoch == null ? undefined : `epoch ${run.best_epoch}`,
    });
  const others = Object.entries(run.metrics ?? {}).filter(
    ([m]) => m !== run.best_metric && m.startsWith("val"),
  );
  for (const [m, v] of others.slice(0, 6 - list.length)) list.push({ name: m, value: metric(v) });
  return list;
}

export function RunHeader({ run }: { run: RunDetail }) {
  const trail = useProjectTrail(run.project_id);
  return (
    <>
      <PageHeader
        title={run.name}
        trail={trail}
        meta={
          <div className="flex flex-wrap items-center gap-x-3 gap-y-1 pt-1 text-muted-foreground">
            <StateBadge run={run} />
            {run.group_name && <span>{run.group_name}</span>}
            {run.owner && <span>by {run.owner}</span>}
            <span>
              created <When at={run.created_at} />
            </span>
            {run.attempt > 1 && <span>{plural(run.attempt, "attempt")}</span>}
            <TagsEditor run={run} />
            <Notes run={run} />
          </div>
        }
      >
        <RunButtons run={run} />
      </PageHeader>
      {run.state === "queued" && run.wait_reason && (
        <p className="mx-4 mb-3 rounded-md border bg-muted/50 px-3 py-2 md:mx-6">Waits: {run.wait_reason}</p>
      )}
      {run.health && run.health !== "ok" && run.health_detail && (
        <p className="mx-4 mb-3 rounded-md border border-warn/40 bg-warn/10 px-3 py-2 md:mx-6">
          {run.health_detail}
        </p>
      )}
      <FactList facts={facts(run)} />
    </>
  );
}
