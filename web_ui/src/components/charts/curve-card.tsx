"use client";
import { ChartTools, CsvButton } from "@/components/charts/chart-tools";
import { LineChart } from "@/components/charts/line-chart";
import type { Band } from "@/components/charts/plot";
import { Card, CardHeader } from "@/components/ui/card";
import type { Curve } from "@/lib/curves";
import type { RunCurve } from "@/lib/live/curve-store";
import { useUi, type XAxis } from "@/lib/ui-store";

export { ChartTools };

/** The x values that were chosen; where a point has none (times of live points come later), its curve ends before. */
export function toCurve(c: RunCurve, xAxis: XAxis, name: string, color: string): Curve {
  const key = `${c.runId} ${c.name}`;
  if (xAxis === "step") return { key, name, color, x: c.steps, y: c.values };
  const from = xAxis === "epoch" ? c.epochs : c.times;
  const kept = from.flatMap((x, i) => (x == null ? [] : [i]));
  return { key, name, color, x: kept.map((i) => from[i] as number), y: kept.map((i) => c.values[i] ?? null) };
}

/** A chart in its card. Times of an x axis grow monotonically, as uPlot needs them to. */
export function CurveCard({
  title,
  hint,
  curves,
  bands,
  height,
  isSmoothable = true,
}: {
  title: string;
  hint?: string;
  curves: Curve[];
  bands?: Band[];
  height?: number;
  isSmoothable?: boolean;
}) {
  const { smooth, logScale, xAxis } = useUi();
  return (
    <Card>
      <CardHeader title={title} hint={hint}>
        <CsvButton name={title} xName={xAxis} curves={curves} />
      </CardHeader>
      <div className="p-2">
        <LineChart
          label={`${title} by ${xAxis}`}
          curves={curves}
          height={height}
          isLog={logScale}
          smooth={isSmoothable ? smooth : 0}
          bands={xAxis === "step" ? bands : undefined}
          xLabel={xAxis}
          syncKey="curves"
        />
      </div>
    </Card>
  );
}
