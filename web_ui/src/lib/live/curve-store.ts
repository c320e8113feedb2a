import type { CurveOut } from "@/lib/api/metrics";

export type RunCurve = {
  runId: string;
  name: string;
  steps: number[];
  values: (number | null)[];
  epochs: (number | null)[];
  times: (number | null)[];
};
type Points = { steps: number[]; values: (number | null)[]; epochs?: (number | null)[] | null };

const keyOf = (runId: string, name: string) => `${runId} ${name}`;

/** Curves of some runs: a history from HTTP, grown in place by what the socket brings. A step counts once per curve. */
export class CurveStore {
  private curves = new Map<string, RunCurve>();

  /** Takes a history; points beyond its end that came live are kept. */
  load(history: CurveOut[]) {
    for (const h of history) {
      const old = this.curves.get(keyOf(h.run_id, h.name));
      const fresh: RunCurve = {
        runId: h.run_id,
        name: h.name,
        steps: [...h.steps],
        values: [...h.values],
        epochs: [...(h.epochs ?? h.steps.map(() => null))],
        times: [...(h.times_s ?? h.steps.map(() => null))],
      };
      this.curves.set(keyOf(h.run_id, h.name), fresh);
      if (old) this.append(h.run_id, h.name, old);
    }
  }

  append(runId: string, name: string, points: Points): boolean {
    const key = keyOf(runId, name);
    const c = this.curves.get(key) ?? { runId, name, steps: [], values: [], epochs: [], times: [] };
    this.curves.set(key, c);
    let isTouched = false;
    points.steps.forEach((step, i) => {
      if (step <= (c.steps.at(-1) ?? -1)) return;
      c.steps.push(step);
      c.values.push(points.values[i] ?? null);
      c.epochs.push(points.epochs?.[i] ?? null);
      c.times.push(null); // the socket brings no times: the next history has them
      isTouched = true;
    });
    return isTouched;
  }

  /** The last step heard of in any curve of the run, -1 if none: the server sends its points again, and what follows. */
  lastStep(runId: string): number {
    let last = -1;
    for (const c of this.curves.values()) if (c.runId === runId) last = Math.max(last, c.steps.at(-1) ?? -1);
    return last;
  }

  all = (): RunCurve[] => [...this.curves.values()].map((c) => ({ ...c }));
}
