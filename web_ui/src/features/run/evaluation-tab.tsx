"use client";
import { useQuery } from "@tanstack/react-query";
import { ScanEye, Star } from "lucide-react";
import { isAlive } from "@/components/state-badge";
import { Empty, Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Select } from "@/components/ui/controls";
import { Dialog } from "@/components/ui/dialog";
import { Skeleton } from "@/components/ui/skeleton";
import { type Cell, ConfusionMatrix } from "@/features/run/confusion-matrix";
import { ReliabilityCard, RocCard } from "@/features/run/eval-charts";
import { PerClassTable } from "@/features/run/per-class-table";
import { Predictions } from "@/features/run/predictions";
import type { Schemas } from "@/lib/api/client";
import { fileQueries, type PredictionFilter } from "@/lib/api/run-files";
import type { RunDetail } from "@/lib/api/runs";
import { metric } from "@/lib/format";
import { setQuery, useQueryState } from "@/lib/nav";

type Evaluation = Schemas["Evaluation"];
const KINDS = [
  ["confident_mistakes", "Most confident mistakes"],
  ["worst_loss", "Highest loss"],
  ["wrong", "All mistakes"],
  ["all", "All images"],
] as const;

function Picker({ items, chosen }: { items: Evaluation[]; chosen: Evaluation }) {
  const splits = [...new Set(items.map((e) => e.split))];
  const epochs = items.filter((e) => e.split === chosen.split).sort((a, b) => b.epoch - a.epoch);
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Select
        aria-label="Split"
        className="h-7 text-xs"
        value={chosen.split}
        onChange={(e) => setQuery({ split: e.target.value, epoch: null })}
      >
        {splits.map((s) => (
          <option key={s}>{s}</option>
        ))}
      </Select>
      <Select
        aria-label="Epoch"
        className="h-7 text-xs"
        value={chosen.epoch}
        onChange={(e) => setQuery({ epoch: e.target.value })}
      >
        {epochs.map((e) => (
          <option key={e.epoch} value={e.epoch}>
            epoch {e.epoch}
            {e.is_best ? " (best)" : ""}
          </option>
        ))}
      </Select>
      {chosen.is_best && (
        <span className="inline-flex items-center gap-1 text-muted-foreground text-xs">
          <Star aria-hidden className="size-3.5 text-warn" /> best epoch
        </span>
      )}
    </div>
  );
}

function Mistakes({ runId, at }: { runId: string; at: Evaluation }) {
  const [kind, setKind] = useQueryState("kind", "confident_mistakes");
  const filter: PredictionFilter = {
    split: at.split,
    epoch: at.epoch,
    kind: kind as PredictionFilter["kind"],
  };
  return (
    <Card>
      <CardHeader title="Images">
        <Select
          aria-label="Which images"
          className="h-7 text-xs"
          value={kind}
          onChange={(e) => setKind(e.target.value)}
        >
          {KINDS.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Select>
      </CardHeader>
      <Predictions runId={runId} filter={filter} />
    </Card>
  );
}

/** The cell is in the address: its images can be linked to, and back closes them. */
function CellImages({ runId, at, labels }: { runId: string; at: Evaluation; labels: string[] }) {
  const [text, setText] = useQueryState("cell", "");
  const [i, j] = text.split("-").map(Number);
  const isOpen = text !== "" && i !== undefined && j !== undefined;
  return (
    <Dialog
      open={isOpen}
      onOpenChange={(o) => !o && setText("")}
      title={isOpen ? `${labels[i]} taken for ${labels[j]}` : ""}
      className="w-[min(64rem,calc(100vw-2rem))]"
    >
      {isOpen && (
        <Predictions runId={runId} filter={{ split: at.split, epoch: at.epoch, true: i, predicted: j }} />
      )}
    </Dialog>
  );
}

function Detail({ run, at }: { run: RunDetail; at: Evaluation }) {
  const detail = useQuery(fileQueries.evaluation(run.id, at.split, at.epoch));
  const open = (c: Cell) => setQuery({ cell: `${c.true}-${c.predicted}` });
  return (
    <Loaded query={detail} skeleton={<Skeleton className="h-80" />}>
      {(ev) => (
        <>
          <dl className="flex flex-wrap gap-x-6 gap-y-1">
            {Object.entries(ev.metrics).map(([m, v]) => (
              <div key={m}>
                <dt className="text-muted-foreground text-xs">{m}</dt>
                <dd className="num font-medium">{metric(v)}</dd>
              </div>
            ))}
          </dl>
          <div className="grid items-start gap-4 xl:grid-cols-2">
            {ev.confusion && <ConfusionMatrix labels={ev.labels} confusion={ev.confusion} open={open} />}
            <PerClassTable rows={ev.per_class} />
            {ev.roc && <RocCard roc={ev.roc} />}
            {ev.reliability && <ReliabilityCard reliability={ev.reliability} />}
          </div>
          <Mistakes runId={run.id} at={at} />
          <CellImages runId={run.id} at={at} labels={ev.labels} />
        </>
      )}
    </Loaded>
  );
}

export function EvaluationTab({ run }: { run: RunDetail }) {
  const evaluations = useQuery(fileQueries.evaluations(run.id));
  const [split] = useQueryState("split", "val");
  const [epoch] = useQueryState("epoch", "");
  return (
    <Loaded query={evaluations} skeleton={<Skeleton className="h-80" />}>
      {({ items }) => {
        const ofSplit = items.filter((e) => e.split === split);
        const candidates = ofSplit.length ? ofSplit : items;
        const chosen =
          candidates.find((e) => String(e.epoch) === epoch) ??
          candidates.find((e) => e.is_best) ??
          candidates.at(-1);
        if (!chosen)
          return (
            <Card>
              <Empty title="Nothing was evaluated yet." icon={<ScanEye />}>
                {isAlive(run.state)
                  ? "The first evaluation comes at the end of an epoch."
                  : "This run ended before its first evaluation."}
                <Button variant="outline" onClick={() => setQuery({ tab: "logs" })}>
                  Read its log
                </Button>
              </Empty>
            </Card>
          );
        return (
          <div className="flex flex-col gap-4">
            <Picker items={items} chosen={chosen} />
            <Detail run={run} at={chosen} />
          </div>
        );
      }}
    </Loaded>
  );
}
