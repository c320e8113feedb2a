"use client";
import { useMemo, useState } from "react";
import { Card, CardHeader } from "@/components/ui/card";
import { Checkbox, Select } from "@/components/ui/controls";
import { cn } from "@/lib/cn";

export type Cell = { true: number; predicted: number };
type Order = "given" | "errors";

/** Classes in the order asked for: as given, or those with the most mistakes first. */
export function classOrder(confusion: number[][], order: Order): number[] {
  const index = confusion.map((_, i) => i);
  if (order === "given") return index;
  const mistakes = confusion.map((row, i) => row.reduce((a, b) => a + b, 0) - (row[i] ?? 0));
  return index.sort((a, b) => (mistakes[b] ?? 0) - (mistakes[a] ?? 0));
}

const MOST_CLASSES = 60;

/** A real table, so that a screen reader can walk it; colour strength is the share of the row; a cell opens its images. */
export function ConfusionMatrix({
  labels,
  confusion,
  open,
}: {
  labels: string[];
  confusion: number[][];
  open: (c: Cell) => void;
}) {
  const [isShare, setShare] = useState(true);
  const [order, setOrder] = useState<Order>(labels.length > MOST_CLASSES ? "errors" : "given");
  const shown = useMemo(() => classOrder(confusion, order).slice(0, MOST_CLASSES), [confusion, order]);
  const isShort = shown.every((i) => (labels[i]?.length ?? 0) <= 4); // fits its column as it is
  const hint =
    shown.length < labels.length ? `${shown.length} of ${labels.length} classes` : "a cell opens its images";
  return (
    <Card>
      <CardHeader title="Confusion matrix" hint={hint}>
        <label className="flex cursor-pointer items-center gap-1.5 text-muted-foreground text-xs">
          <Checkbox checked={isShare} onChange={(e) => setShare(e.target.checked)} /> % of row
        </label>
        <Select
          aria-label="Order of classes"
          className="h-7 text-xs"
          value={order}
          onChange={(e) => setOrder(e.target.value as Order)}
        >
          <option value="given">as given</option>
          <option value="errors">most mistakes first</option>
        </Select>
      </CardHeader>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scroll region must be reachable by keyboard */}
      <section aria-label="Confusion matrix" tabIndex={0} className="max-h-[36rem] overflow-auto p-3">
        <table className="border-separate border-spacing-0.5 text-xs">
          <caption className="sr-only">Rows are true classes, columns predicted ones</caption>
          <thead>
            <tr>
              <th className="pr-2 text-right align-bottom font-normal text-muted-foreground">
                true ↓<br />
                pred. →
              </th>
              {shown.map((j) => (
                <th key={j} scope="col" className="w-10 pb-1 align-bottom font-normal text-muted-foreground">
                  <span
                    title={labels[j]}
                    className={cn(
                      !isShort && "inline-block max-h-20 rotate-180 truncate [writing-mode:vertical-rl]",
                    )}
                  >
                    {labels[j]}
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((i) => (
              <MatrixRow
                key={i}
                labels={labels}
                confusion={confusion}
                i={i}
                shown={shown}
                isShare={isShare}
                open={open}
              />
            ))}
          </tbody>
        </table>
      </section>
    </Card>
  );
}

function MatrixRow({
  labels,
  confusion,
  i,
  shown,
  isShare,
  open,
}: {
  labels: string[];
  confusion: number[][];
  i: number;
  shown: number[];
  isShare: boolean;
  open: (c: Cell) => void;
}) {
  const row = confusion[i] ?? [];
  const sum = row.reduce((a, b) => a + b, 0) || 1;
  return (
    <tr>
      <th
        scope="row"
        title={labels[i]}
        className="max-w-36 truncate pr-2 text-right font-normal text-muted-foreground"
      >
        {labels[i]}
      </th>
      {shown.map((j) => {
        const n = row[j] ?? 0;
        // Never past 55% of the colour, so that the ordinary text colour is readable on every cell.
        const strength = Math.round(Math.sqrt(n / sum) * 55);
        const text = isShare ? (n ? `${Math.round((n / sum) * 100)}` : "") : `${n || ""}`;
        const said = `${labels[i]} taken for ${labels[j]}: ${n}`;
        return (
          <td key={j} className="p-0">
            <button
              type="button"
              disabled={!n}
              onClick={() => open({ true: i, predicted: j })}
              title={said}
              aria-label={text ? `${text}, ${said}` : said}
              className={cn(
                "num block h-7 w-10 rounded-sm text-center",
                n && "cursor-pointer hover:outline-2 hover:outline-ring",
              )}
              style={{
                background: `color-mix(in oklab, ${i === j ? "var(--chart-1)" : "var(--chart-2)"} ${strength}%, var(--card))`,
              }}
            >
              {text}
            </button>
          </td>
        );
      })}
    </tr>
  );
}
