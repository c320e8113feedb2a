import { expect, it } from "vitest";
import { CurveStore } from "./curve-store";

const history = (steps: number[]) => ({
  run_id: "r",
  name: "train/loss",
  steps,
  values: steps.map((s) => s / 10),
  is_downsampled: false,
  last_step: steps.at(-1) ?? 0,
  epochs: null,
  times_s: null,
});

it("appends each step once, in order", () => {
  const store = new CurveStore();
  store.load([history([0, 5, 10])]);
  expect(store.append("r", "train/loss", { steps: [10, 15], values: [9, 1.5] })).toBe(true);
  expect(store.append("r", "train/loss", { steps: [10, 15], values: [9, 1.5] })).toBe(false);
  expect(store.all()[0]).toMatchObject({ steps: [0, 5, 10, 15], values: [0, 0.5, 1, 1.5] });
});

it("keeps what came live beyond a newer history, and takes the history for what lies before", () => {
  const store = new CurveStore();
  store.load([history([0, 5])]);
  store.append("r", "train/loss", { steps: [10, 15], values: [7, 8] });
  store.load([history([0, 5, 10])]);
  expect(store.all()[0]).toMatchObject({ steps: [0, 5, 10, 15], values: [0, 0.5, 1, 8] });
});

it("goes on after the last step of all curves of the run", () => {
  const store = new CurveStore();
  expect(store.lastStep("r")).toBe(-1);
  store.load([history([0, 5, 10])]);
  store.append("r", "val_loss", { steps: [12], values: [1] });
  store.append("other", "val_loss", { steps: [99], values: [1] });
  expect(store.lastStep("r")).toBe(12);
});
