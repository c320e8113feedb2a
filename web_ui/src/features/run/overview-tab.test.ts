import { expect, it } from "vitest";
import type { MetricName } from "@/lib/api/metrics";
import { attemptBands, groupNames } from "./overview-tab";

const name = (n: string): MetricName => ({
  name: n,
  title: n,
  unit: null,
  group: "train",
  is_higher_better: null,
  last: null,
  best: null,
  last_step: 0,
});
const attempt = (n: number, start: number | null, step: number) => ({
  attempt: n,
  submission_id: "job",
  host: null,
  placement: null,
  started_at: null,
  ended_at: null,
  outcome: null,
  failure_kind: null,
  message: null,
  rank: null,
  start_step: start,
  step,
  epoch: 0,
  traceback: null,
});

it("draws what measures the same on one chart, loss first", () => {
  const groups = groupNames(
    ["lr", "val_acc@1", "train/loss", "val_loss", "train/acc", "val_acc@5"].map(name),
  );
  expect(groups).toEqual([
    { title: "Loss", names: ["train/loss", "val_loss"] },
    { title: "Accuracy", names: ["train/acc", "val_acc@1", "val_acc@5"] },
    { title: "Learning rate", names: ["lr"] },
  ]);
});

it("bands end where the next attempt took over; an attempt that never stepped has none", () => {
  expect(attemptBands([attempt(1, 0, 700), attempt(2, null, 0), attempt(3, 500, 900)])).toEqual([
    { from: 0, to: 500, label: "attempt 1" },
    { from: 500, to: Number.POSITIVE_INFINITY, label: "attempt 3" },
  ]);
});
