import { expect, it } from "vitest";
import { aRun } from "@/test/a-run";
import { groupRuns, meanSd, parseSort, sortRuns } from "./rows";

const runs = [
  aRun({ id: "1", best_value: 0.7, group_name: "a", highlights: { lr: 1e-3 } }),
  aRun({ id: "2", best_value: null, group_name: null, highlights: { lr: 1e-4 } }),
  aRun({ id: "3", best_value: 0.9, group_name: "a", highlights: { lr: 3e-4 } }),
];
const ids = (list: typeof runs) => list.map((r) => r.id).join("");

it.each([
  ["best_value", "132"],
  ["-best_value", "312"],
  ["lr", "231"],
])("sorted by %s: missing values last", (sort, order) =>
  expect(ids(sortRuns(runs, parseSort(sort)))).toBe(order),
);

it("groups under one row each, and hides the members of a closed group", () => {
  const rows = groupRuns(runs, "group_name", new Set(["a"]));
  expect(rows.map((r) => (r.kind === "group" ? `${r.title}:${r.runs.length}` : r.run.id))).toEqual([
    "a:2",
    "none:1",
    "2",
  ]);
});

it("states mean and sample standard deviation, and no deviation of one value", () => {
  expect(meanSd([1, 2, 3])).toEqual({ mean: 2, sd: 1, n: 3 });
  expect(meanSd([5])).toEqual({ mean: 5, sd: null, n: 1 });
  expect(meanSd([])).toBeNull();
});
