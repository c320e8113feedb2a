"use client";
import { useQuery } from "@tanstack/react-query";
import { ChartLine } from "lucide-react";
import { useMemo } from "react";
import { ChartTools, CurveCard, toCurve } from "@/components/charts/curve-card";
import type { Band } from "@/components/charts/plot";
import { isAlive } from "@/components/state-badge";
import { Empty, Failed, Loaded } from "@/components/states";
import { Card } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { type MetricName, metricQueries } from "@/lib/api/metrics";
import type { RunDetail } from "@/lib/api/runs";
import { seriesColor } from "@/lib/curves";
import { useCurves } from "@/lib/live/use-curves";
import { useUi } from "@/lib/ui-store";

/** `train/loss` and `val_loss` belong on one chart: they are told apart by what remains without the split's name. */
const topic = (name: string) =>
  name
    .replace(/^(train|val|test)[/_]/, "")
    .replace(/@.*/, "")
    .replace(/_(macro|micro)$/, "");
const TITLES: Record<string, string> = { loss: "Loss", acc: "Accuracy", lr: "Learning rate", f1: "F1" };

export function groupNames(names: MetricName[]): { title: string; names: string[] }[] {
  const groups = new Map<string, string[]>();
  for (const n of names) groups.set(topic(n.name), [...(groups.get(topic(n.name)) ?? []), n.name]);
  for (const list of groups.values())
    list.sort((a, b) => Number(a.startsWith("val")) - Number(b.startsWith("val")));
  const rank = (t: string) => ["loss", "acc", "f1", "auroc", "lr"].indexOf(t) >>> 0; // -1 becomes the last
  return [...groups]
    .sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b))
    .map(([t, list]) => ({
      title: TITLES[t] ?? names.find((n) => n.name === list[0])?.title ?? t,
      names: list,
    }));
}

/** Each attempt as a stretch of steps, from where it began to where the next one took over, the last one without an end. */
export function attemptBands(attempts: RunDetail["attempts"]): Band[] {
  const begun = attempts.filter((a) => a.start_step != null);
  return begun.map((a, i) => ({
    from: a.start_step ?? 0,
    to: begun[i + 1]?.start_step ?? Number.POSITIVE_INFINITY,
    label: `attempt ${a.attempt}`,
  }));
}

function Charts({ run, names }: { run: RunDetail; names: MetricName[] }) {
  const runIds = useMemo(() => [run.id], [run.id]);
  const wanted = useMemo(() => names.map((n) => n.name), [names]);
  const { curves, error, isPending, refetch } = useCurves(runIds, wanted, isAlive(run.state) ? runIds : []);
  const xAxis = useUi((s) => s.xAxis);
  const groups = useMemo(() => groupNames(names), [names]);
  const bands = attemptBands(run.attempts);
  if (error && !curves.length) return <Failed error={error} retry={refetch} />;
  if (isPending) return <ChartsSkeleton />;
  return (
    <div className="grid gap-4 xl:grid-cols-2">
      {groups.map((g) => {
        const drawn = g.names.flatMap((name, i) => {
          const c = curves.find((x) => x.name === name);
          return c ? [toCurve(c, xAxis, name, seriesColor(i))] : [];
        });
        return (
          <CurveCard
            key={g.title}
            title={g.title}
            curves={drawn}
            bands={bands}
            isSmoothable={g.title !== "Learning rate"}
          />
        );
      })}
    </div>
  );
}

const ChartsSkeleton = () => (
  <div className="grid gap-4 xl:grid-cols-2">
    {["a", "b", "c", "d"].map((k) => (
      <Skeleton key={k} className="h-72" />
    ))}
  </div>
);

export function OverviewTab({ run }: { run: RunDetail }) {
  const names = useQuery({
    ...metricQueries.names(run.id),
    // Names appear with the first points: asked again until they are there.
    refetchInterval: (q) =>
      isAlive(run.state) && !q.state.data?.items.some((n) => n.group === "val") ? 5000 : false,
  });
  return (
    <Loaded query={names} skeleton={<ChartsSkeleton />}>
      {({ items }) => {
        const shown = items.filter((n) => n.group === "train" || n.group === "val");
        if (!shown.length)
          return (
            <Card>
              <Empty title="There are no curves yet." icon={<ChartLine />}>
                {isAlive(run.state)
                  ? "The first points come at the logging interval."
                  : "This run has logged nothing."}
              </Empty>
            </Card>
          );
        return (
          <div className="flex flex-col gap-3">
            <ChartTools />
            <Charts run={run} names={shown} />
          </div>
        );
      }}
    </Loaded>
  );
}
