import { expect, it, vi } from "vitest";
import type { LogLine } from "@/lib/api/run-files";
import { BLOCK, LogStore } from "./log-store";

const line = (i: number): LogLine => ({ line: i, at: null, level: null, text: `line ${i}` });
const served = (total: number) =>
  vi.fn(async (start: number, limit: number) => {
    const at = start < 0 ? Math.max(0, total + start) : start;
    return {
      start: at,
      num_lines: total,
      lines: Array.from({ length: Math.min(limit, total - at) }, (_, i) => line(at + i)),
    };
  });

it("fetches the end first, then only the blocks that are looked at, once", async () => {
  const fetchBlock = served(10_000);
  const log = new LogStore(fetchBlock);
  await log.start();
  log.ensure(9_900, 10_000);
  log.ensure(5_100, 5_150);
  log.ensure(5_100, 5_150);
  await vi.waitFor(() => expect(log.line(5_100)?.text).toBe("line 5100"));
  expect(fetchBlock.mock.calls).toEqual([
    [-200, 200],
    [5 * BLOCK, BLOCK],
  ]);
});

it("takes live lines in once, however often they are sent", async () => {
  const log = new LogStore(served(3));
  await log.start();
  log.append(3, [line(3), line(4)]);
  log.append(4, [line(4), line(5)]);
  expect([log.total, log.line(4)?.text, log.line(5)?.text]).toEqual([6, "line 4", "line 5"]);
});

it("fetches a gap when it is looked at", async () => {
  const fetchBlock = served(50);
  const log = new LogStore(fetchBlock);
  await log.start();
  log.extend(50);
  log.append(60, [line(60)]);
  log.ensure(40, 61);
  expect(fetchBlock).toHaveBeenCalledTimes(2);
});

it("keeps the newest blocks when there are too many", async () => {
  const log = new LogStore(served(10 * BLOCK), 2);
  await log.start();
  for (const b of [0, 1, 2]) {
    log.ensure(b * BLOCK, b * BLOCK + 10);
    await vi.waitFor(() => expect(log.line(b * BLOCK)).toBeDefined());
  }
  expect([log.line(0), log.line(2 * BLOCK)?.text]).toEqual([undefined, "line 2000"]);
});
