import { expect, it } from "vitest";
import { align, type Curve, ema, tick, toCsv } from "./curves";

const curve = (x: number[], y: (number | null)[], name = "a"): Curve => ({
  name,
  key: name,
  color: "",
  x,
  y,
});

it("joins curves with different steps and keeps equal steps as they are", () => {
  expect(align([curve([0, 2], [1, 2]), curve([1, 2], [3, 4])])).toEqual([
    [0, 1, 2],
    [1, undefined, 2],
    [undefined, 3, 4],
  ]);
  const x = [0, 1];
  expect(align([curve(x, [1, 2]), curve([0, 1], [3, 4])])[0]).toBe(x);
});

it("smooths without a pull to zero, and skips NaN and gaps", () => {
  const smooth = ema([2, 2, null, Number.NaN, 2], 0.9).map((v) => (v == null ? v : Number(v.toFixed(6))));
  expect(smooth).toEqual([2, 2, null, null, 2]);
});

it.each([
  [0, "0"],
  [0.0003, "3e-4"],
  [1.5e30, "1.5e30"],
  [1.25e-5, "1.25e-5"],
  [0.25, "0.25"],
  [1500, "1500"],
  [120000, "120k"],
  [9_100_000_000, "9.1G"],
])("%s is written %s", (v, s) => expect(tick(v)).toBe(s));

it("writes a row per step, with quoted names and empty gaps", () => {
  expect(toCsv("step", [curve([0, 1], [1, 2], 'a "b"'), curve([1], [3], "c")])).toBe(
    '"step","a ""b""","c"\n0,1,\n1,2,3',
  );
});
