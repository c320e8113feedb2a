import { UnitChart, xAt, yAt } from "@/components/charts/xy-chart";
import { Card, CardHeader } from "@/components/ui/card";
import type { EvaluationDetail } from "@/lib/api/run-files";
import { metric, plural } from "@/lib/format";

export function RocCard({ roc }: { roc: NonNullable<EvaluationDetail["roc"]> }) {
  const points = roc.fpr.map((x, i) => `${xAt(x).toFixed(1)},${yAt(roc.tpr[i] ?? 0).toFixed(1)}`).join(" ");
  return (
    <Card>
      <CardHeader title="ROC" hint={`micro-averaged, AUC ${metric(roc.auc)}`} />
      <div className="flex justify-center p-3">
        <UnitChart
          label={`ROC curve, area ${metric(roc.auc)}`}
          x="false positive rate"
          y="true positive rate"
        >
          <polyline points={points} fill="none" stroke="var(--chart-1)" strokeWidth="1.75" />
        </UnitChart>
      </div>
    </Card>
  );
}

/** Accuracy against confidence per bin: bars below the diagonal mean that the model is too sure of itself. */
export function ReliabilityCard({
  reliability,
}: {
  reliability: NonNullable<EvaluationDetail["reliability"]>;
}) {
  return (
    <Card>
      <CardHeader title="Reliability" hint={`calibration error (ECE) ${metric(reliability.ece)}`} />
      <div className="flex justify-center p-3">
        <UnitChart label={`Reliability diagram, ECE ${metric(reliability.ece)}`} x="confidence" y="accuracy">
          {reliability.bins.map((b) =>
            b.accuracy == null ? null : (
              <rect
                key={b.lower}
                x={xAt(b.lower) + 1}
                width={xAt(b.upper) - xAt(b.lower) - 2}
                y={yAt(b.accuracy)}
                height={yAt(0) - yAt(b.accuracy)}
                fill="var(--chart-1)"
                fillOpacity="0.7"
              >
                <title>{`${plural(b.count, "image")}: accuracy ${metric(b.accuracy)} at confidence ${metric(b.confidence)}`}</title>
              </rect>
            ),
          )}
        </UnitChart>
      </div>
    </Card>
  );
}
