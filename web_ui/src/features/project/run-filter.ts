import type { Run } from "@/lib/api/runs";

/**
 * The filter line: `state:running,queued tag:final owner:maria lr>1e-4 val_acc@1>=0.9 resnet`.
 * Words with a colon and plain words are the server's; comparisons are made here, on what the rows show.
 */
export type Comparison = { field: string; op: ">" | "<" | ">=" | "<=" | "=" | "!="; value: string };
export type ParsedFilter = {
  state?: string;
  tag?: string;
  owner?: string;
  q?: string;
  comparisons: Comparison[];
};

const COMPARISON = /^([\w@./-]+?)(>=|<=|!=|=|>|<)(.+)$/;

export function parseFilter(text: string): ParsedFilter {
  const out: ParsedFilter = { comparisons: [] };
  const words: string[] = [];
  for (const part of text.split(/\s+/).filter(Boolean)) {
    const named = /^(state|tag|owner):(.+)$/.exec(part);
    const compared = COMPARISON.exec(part);
    if (named) out[named[1] as "state" | "tag" | "owner"] = named[2];
    else if (compared)
      out.comparisons.push({
        field: compared[1] ?? "",
        op: compared[2] as Comparison["op"],
        value: compared[3] ?? "",
      });
    else words.push(part);
  }
  if (words.length) out.q = words.join(" ");
  return out;
}

/** What a column shows of a run: its own field, a metric, or a field of its config. */
export function cellValue(run: Run, field: string): unknown {
  if (run.metrics && field in run.metrics) return run.metrics[field];
  if (field in run.highlights) return run.highlights[field];
  return field in run ? run[field as keyof Run] : null;
}

function holds(actual: unknown, { op, value }: Comparison): boolean {
  if (actual == null) return op === "!=";
  const [a, b] = [Number(actual), Number(value)];
  const isNumber = !Number.isNaN(a) && !Number.isNaN(b) && typeof actual !== "boolean";
  const order = isNumber ? a - b : String(actual).localeCompare(value);
  const isSame = isNumber ? a === b : String(actual).toLowerCase() === value.toLowerCase();
  if (op === "=") return isSame;
  if (op === "!=") return !isSame;
  if (op === ">") return order > 0;
  if (op === "<") return order < 0;
  return op === ">=" ? order >= 0 : order <= 0;
}

export const matches = (run: Run, comparisons: Comparison[]) =>
  comparisons.every((c) => holds(cellValue(run, c.field), c));
