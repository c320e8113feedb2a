"use client";
import { useQueries } from "@tanstack/react-query";
import { useMemo } from "react";
import { ChartTools, CurveCard, toCurve } from "@/components/charts/curve-card";
import { isAlive } from "@/components/state-badge";
import { Failed } from "@/components/states";
import { Skeleton } from "@/components/ui/skeleton";
import { metricQueries } from "@/lib/api/metrics";
import type { ComparedRun } from "@/lib/api/runs";
import { seriesColor } from "@/lib/curves";
import { useCurves } from "@/lib/live/use-curves";
import { useUi } from "@/lib/ui-store";

/** What one compares runs by first: how well they do, then how they learnt. */
const rank = (name: string) => (name.startsWith("val_") ? 0 : name.startsWith("train_") ? 1 : 2);

/** A chart for each metric that a run of these has logged; a run has one colour on all of them. */
export function CompareCurves({ runs }: { runs: ComparedRun[] }) {
  const ids = useMemo(() => runs.map((r) => r.id), [runs]);
  const alive = useMemo(() => runs.filter((r) => isAlive(r.state)).map((r) => r.id), [runs]);
  const names = useQueries({
    queries: ids.map((id) => metricQueries.names(id)),
    combine: (all) =>
      [
        ...new Set(
          all.flatMap(
            (q) =>
              q.data?.items.filter((n) => n.group === "train" || n.group === "val").map((n) => n.name) ?? [],
          ),
        ),
      ]
        .sort((a, b) => rank(a) - rank(b))
        .join("\n"),
  });
  const wanted = useMemo(() => (names ? names.split("\n") : []), [names]);
  const { curves, error, isPending, refetch } = useCurves(ids, wanted, alive);
  const xAxis = useUi((s) => s.xAxis);
  if (error && !curves.length) return <Failed error={error} retry={refetch} />;
  return (
    <div className="flex flex-col gap-3">
      <ChartTools />
      {isPending && <Skeleton className="h-72" />}
      <div className="grid gap-4 xl:grid-cols-2">
        {wanted.map((name) => {
          const drawn = curves
            .filter((c) => c.name === name)
            .map((c) =>
              toCurve(
                c,
                xAxis,
                runs.find((r) => r.id === c.runId)?.name ?? "",
                seriesColor(ids.indexOf(c.runId)),
              ),
            );
          return drawn.length ? <CurveCard key={name} title={name} curves={drawn} /> : null;
        })}
      </div>
    </div>
  );
}
