import { expect, it } from "vitest";
import { ago, bytes, duration, metric, percent, plain, plural } from "./format";

it.each([
  [null, "–"],
  [12.4, "12s"],
  [250, "4m 10s"],
  [3840, "1h 4m"],
  [90_000, "1d 1h"],
])("%s seconds read %s", (s, text) => expect(duration(s)).toBe(text));

it.each([
  [999, "999 B"],
  [1500, "1.5 KB"],
  [94_000_000, "94.0 MB"],
  [410e9, "410 GB"],
])("%s bytes read %s", (n, text) => expect(bytes(n)).toBe(text));

it.each([
  [0.87312, "0.8731"],
  [3e-5, "3e-5"],
  [0, "0.0000"],
  [912.4, "912.4000"],
  [91_234, "91,234"],
])("metric %s reads %s", (v, text) => expect(metric(v)).toBe(text));

it("tells how long ago, never in the future", () => {
  const now = Date.parse("2026-11-23T08:00:00Z");
  expect(ago("2026-11-23T07:58:00Z", now)).toBe("2 min ago");
  expect(ago("2026-11-23T08:05:00Z", now)).toBe("just now");
});

it("writes config values and counts", () => {
  expect([plain(3e-4), plain(0.1), plain(true), plain([1, 5]), plain(null)]).toEqual([
    "3e-4",
    "0.1",
    "true",
    "[1,5]",
    "–",
  ]);
  expect([plural(1, "run"), plural(2, "run"), percent(0.123, 1)]).toEqual(["1 run", "2 runs", "12.3%"]);
});
