import { expect, it } from "vitest";
import { moved, stepTarget } from "./order";

it.each([
  ["c", "a", "cab"],
  ["a", null, "bca"],
  ["a", "c", "bac"],
  ["a", "gone", "abc"],
])("%s before %s makes %s", (id, before, order) =>
  expect(moved(["a", "b", "c"], id, before).join("")).toBe(order),
);

it("a step up or down names whom the run then stands before", () => {
  const ids = ["a", "b", "c"];
  expect([stepTarget(ids, 1, -1), stepTarget(ids, 0, 1), stepTarget(ids, 1, 1)]).toEqual(["a", "c", null]);
  expect([stepTarget(ids, 0, -1), stepTarget(ids, 2, 1)]).toEqual([undefined, undefined]);
});
