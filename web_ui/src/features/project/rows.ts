import { cellValue } from "@/features/project/run-filter";
import type { Run } from "@/lib/api/runs";

export type Row =
  | { kind: "group"; key: string; title: string; runs: Run[]; isOpen: boolean }
  | { kind: "run"; run: Run };
export type Sort = { field: string; isDescending: boolean };

export const parseSort = (text: string): Sort =>
  text.startsWith("-") ? { field: text.slice(1), isDescending: true } : { field: text, isDescending: false };

/** Values in order, those that are missing last whatever the direction. */
export function sortRuns(runs: Run[], { field, isDescending }: Sort): Run[] {
  const sign = isDescending ? -1 : 1;
  return [...runs].sort((a, b) => {
    const [x, y] = [cellValue(a, field), cellValue(b, field)];
    if (x == null || y == null) return Number(x == null) - Number(y == null);
    return (
      sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)))
    );
  });
}

/** Runs under a row per value of `field`, groups in the order in which their first run comes. */
export function groupRuns(runs: Run[], field: string, closed: ReadonlySet<string>): Row[] {
  if (!field) return runs.map((run) => ({ kind: "run", run }));
  const groups = new Map<string, Run[]>();
  for (const r of runs) {
    const v = cellValue(r, field);
    const key = v == null || v === "" ? "" : String(v);
    groups.set(key, [...(groups.get(key) ?? []), r]);
  }
  return [...groups].flatMap(([key, members]): Row[] => {
    const isOpen = !closed.has(key);
    const head: Row = { kind: "group", key, title: key || "none", runs: members, isOpen };
    return isOpen ? [head, ...members.map((run): Row => ({ kind: "run", run }))] : [head];
  });
}

/** Mean and sample standard deviation; the latter needs two values. */
export function meanSd(values: number[]): { mean: number; sd: number | null; n: number } | null {
  const n = values.length;
  if (!n) return null;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  const sd = n > 1 ? Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / (n - 1)) : null;
  return { mean, sd, n };
}
