"use client";
import { useQuery } from "@tanstack/react-query";
import { Gauge } from "lucide-react";
import { CurveCard, toCurve } from "@/components/charts/curve-card";
import { isAlive } from "@/components/state-badge";
import { Empty, Loaded } from "@/components/states";
import { Card } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { metricQueries } from "@/lib/api/metrics";
import type { RunDetail } from "@/lib/api/runs";
import { seriesColor } from "@/lib/curves";
import { useUi } from "@/lib/ui-store";

const POLL_MS = 5000;
/** `gpu0/utilization` and `gpu1/utilization` share a chart. */
const kind = (name: string) => name.replace(/gpu\d+/, "gpu");
const TITLES: Record<string, string> = {
  images_per_s: "Throughput (images/s)",
  data_wait_share: "Waiting for data (share)",
  eval_s: "Time of evaluation (s)",
};

export function SystemTab({ run }: { run: RunDetail }) {
  const system = useQuery({
    ...metricQueries.system(run.id),
    refetchInterval: isAlive(run.state) ? POLL_MS : false,
  });
  const xAxis = useUi((s) => s.xAxis);
  return (
    <Loaded query={system} skeleton={<Skeleton className="h-72" />}>
      {({ items }) => {
        const kinds = [...new Set(items.map((c) => kind(c.name)))];
        if (!kinds.length)
          return (
            <Card>
              <Empty title="Nothing was measured of this run's machines." icon={<Gauge />}>
                Curves of CPU, memory and GPUs appear while a run is alive.
              </Empty>
            </Card>
          );
        return (
          <div className="grid gap-4 xl:grid-cols-2">
            {kinds.map((k) => {
              const drawn = items
                .filter((c) => kind(c.name) === k)
                .map((c, i) => {
                  const none = c.steps.map(() => null);
                  const curve = {
                    runId: c.run_id,
                    name: c.name,
                    steps: c.steps,
                    values: c.values,
                    epochs: c.epochs ?? none,
                    times: c.times_s ?? none,
                  };
                  return toCurve(curve, xAxis, c.name, seriesColor(i));
                });
              return (
                <CurveCard key={k} title={TITLES[k] ?? k} curves={drawn} isSmoothable={false} height={160} />
              );
            })}
          </div>
        );
      }}
    </Loaded>
  );
}
