import uPlot from "uplot";

export type Curve = {
  name: string;
  x: ArrayLike<number>;
  y: ArrayLike<number | null>;
  color: string;
  key: string;
};

function isSame(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Curves with their own steps to uPlot's one x array: gaps become null, which uPlot skips. */
export function align(curves: Pick<Curve, "x" | "y">[]): uPlot.AlignedData {
  const first = curves[0];
  if (!first) return [[]];
  // Curves logged at the same steps need no join; it is the slow part of a live update.
  const same = curves.every((c) => isSame(c.x, first.x));
  if (same) return [first.x, ...curves.map((c) => c.y)] as unknown as uPlot.AlignedData;
  return uPlot.join(curves.map((c) => [c.x, c.y] as unknown as uPlot.AlignedData));
}

/** TensorBoard's smoothing: an exponential mean without the pull to zero at the start. */
export function ema(y: ArrayLike<number | null>, weight: number): (number | null)[] {
  const out: (number | null)[] = new Array(y.length);
  let last = 0;
  let norm = 0;
  for (let i = 0; i < y.length; i++) {
    const v = y[i];
    if (v == null || !Number.isFinite(v)) {
      out[i] = null;
      continue;
    }
    last = last * weight + (1 - weight) * v;
    norm = norm * weight + (1 - weight);
    out[i] = last / norm;
  }
  return out;
}

/** 0.0003 must not read as 0, nor 120000 as 120,000.000. */
export function tick(v: number): string {
  const a = Math.abs(v);
  if (v === 0) return "0";
  if (a < 1e-3 || a >= 1e12)
    return v
      .toExponential(2)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  if (a >= 1e9) return `${Number((v / 1e9).toFixed(1))}G`;
  if (a >= 1e6) return `${Number((v / 1e6).toFixed(1))}M`;
  if (a >= 10_000) return `${Number((v / 1000).toFixed(1))}k`;
  return String(Number(v.toFixed(4)));
}

/** One row per x, one column per curve, for a spreadsheet. */
export function toCsv(xName: string, curves: Curve[]): string {
  const [xs = [], ...ys] = align(curves) as unknown as (number | null | undefined)[][];
  const quote = (s: string) => `"${s.replaceAll('"', '""')}"`;
  const head = [xName, ...curves.map((c) => c.name)].map(quote).join(",");
  return [head, ...Array.from(xs, (x, i) => [x, ...ys.map((y) => y[i] ?? "")].join(","))].join("\n");
}

const COLORS = 10;
/** Colour of the n-th of several series, the same in table, chart and legend. */
export const seriesColor = (n: number) => `var(--chart-${(n % COLORS) + 1})`;
