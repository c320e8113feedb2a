"use client";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { ChartTools, CurveCard, toCurve } from "@/components/charts/curve-card";
import { isAlive } from "@/components/state-badge";
import { Failed } from "@/components/states";
import { Card, CardHeader } from "@/components/ui/card";
import { Select } from "@/components/ui/controls";
import { Skeleton } from "@/components/ui/skeleton";
import { metricQueries } from "@/lib/api/metrics";
import type { Run } from "@/lib/api/runs";
import { seriesColor } from "@/lib/curves";
import { useCurves } from "@/lib/live/use-curves";
import { useQueryState } from "@/lib/nav";
import { useUi } from "@/lib/ui-store";

/** One metric of the selected runs, else of the best ones; colours are those of the table's dots. */
export function RunsChart({
  runs,
  charted,
  isSelection,
}: {
  runs: Run[];
  charted: string[];
  isSelection: boolean;
}) {
  const first = charted[0] ?? "";
  const names = useQuery({ ...metricQueries.names(first), enabled: !!first });
  const best = runs.find((r) => r.best_metric)?.best_metric ?? "val_loss";
  const [name, setName] = useQueryState("metric", best, true);
  const wanted = useMemo(() => [name], [name]);
  const byId = useMemo(() => new Map(runs.map((r) => [r.id, r])), [runs]);
  const alive = charted.filter((id) => isAlive(byId.get(id)?.state ?? "succeeded"));
  const { curves, error, isPending, refetch } = useCurves(charted, wanted, alive);
  const xAxis = useUi((s) => s.xAxis);
  const titles = JSON.stringify(charted.map((id) => byId.get(id)?.name ?? id));
  const drawn = useMemo(() => {
    const names = JSON.parse(titles) as string[];
    return curves.flatMap((c) => {
      const i = charted.indexOf(c.runId);
      return i < 0 ? [] : [toCurve(c, xAxis, names[i] ?? c.runId, seriesColor(i))];
    });
  }, [curves, charted, titles, xAxis]);
  const choices = [
    ...new Set([
      best,
      ...(names.data?.items.filter((n) => n.group === "train" || n.group === "val").map((n) => n.name) ?? []),
    ]),
  ];
  if (error && !drawn.length) return <Failed error={error} retry={refetch} />;
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <Select
          aria-label="Metric"
          className="h-7 text-xs"
          value={name}
          onChange={(e) => setName(e.target.value)}
        >
          {choices.map((c) => (
            <option key={c}>{c}</option>
          ))}
        </Select>
        <ChartTools />
      </div>
      {isPending ? (
        <Card>
          <CardHeader title={name} />
          <div className="p-2">
            <Skeleton className="h-[220px]" />
          </div>
        </Card>
      ) : (
        <CurveCard
          title={name}
          hint={isSelection ? "selected runs" : `best ${charted.length} of the runs shown`}
          curves={drawn}
        />
      )}
    </div>
  );
}
