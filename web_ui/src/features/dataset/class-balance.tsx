"use client";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Loaded } from "@/components/states";
import { Card, CardHeader } from "@/components/ui/card";
import { Select } from "@/components/ui/controls";
import { SkeletonRows } from "@/components/ui/skeleton";
import type { Schemas } from "@/lib/api/client";
import { datasetQueries } from "@/lib/api/datasets";
import { seriesColor } from "@/lib/curves";
import { count } from "@/lib/format";
import { setQuery } from "@/lib/nav";

const SPLITS = ["train", "val", "test"];
type Row = Schemas["ClassCounts"];
const total = (r: Row) => Object.values(r.counts).reduce((a, b) => a + b, 0);

function Bar({ row, splits, most }: { row: Row; splits: string[]; most: number }) {
  return (
    <span aria-hidden className="flex h-3 min-w-0 flex-1">
      {splits.map((s) => (
        <span
          key={s}
          title={`${row.label}, ${s}: ${row.counts[s] ?? 0}`}
          className="h-full first:rounded-l last:rounded-r"
          style={{
            width: `${(100 * (row.counts[s] ?? 0)) / most}%`,
            background: seriesColor(SPLITS.indexOf(s)),
          }}
        />
      ))}
    </span>
  );
}

/** Images per class and split; a click shows the images of a class. */
export function ClassBalance({ datasetId }: { datasetId: string }) {
  const balance = useQuery(datasetQueries.balance(datasetId));
  const [order, setOrder] = useState("most");
  return (
    <Card>
      <Loaded query={balance} skeleton={<SkeletonRows />}>
        {({ items, imbalance_ratio }) => {
          const splits = SPLITS.filter((s) => items.some((r) => s in r.counts));
          const most = Math.max(1, ...items.map(total));
          const rows =
            order === "name"
              ? items
              : [...items].sort((a, b) => (order === "most" ? total(b) - total(a) : total(a) - total(b)));
          const hint =
            imbalance_ratio == null
              ? undefined
              : imbalance_ratio < 1.05
                ? "all of about one size"
                : `the largest class has ${imbalance_ratio.toFixed(1)} times as many images as the smallest`;
          return (
            <>
              <CardHeader title="Classes" hint={hint}>
                {splits.map((s) => (
                  <span
                    key={s}
                    className="mr-2 inline-flex items-center gap-1.5 text-muted-foreground text-xs"
                  >
                    <span
                      aria-hidden
                      className="size-2 rounded-sm"
                      style={{ background: seriesColor(SPLITS.indexOf(s)) }}
                    />{" "}
                    {s}
                  </span>
                ))}
                <Select
                  aria-label="Order of classes"
                  className="h-7 text-xs"
                  value={order}
                  onChange={(e) => setOrder(e.target.value)}
                >
                  <option value="most">most first</option>
                  <option value="fewest">fewest first</option>
                  <option value="name">by name</option>
                </Select>
              </CardHeader>
              <ul className="max-h-96 overflow-auto p-2">
                {rows.map((r) => (
                  <li key={r.label}>
                    <button
                      type="button"
                      title="Show its images"
                      onClick={() => setQuery({ label: r.label })}
                      className="flex w-full cursor-pointer items-center gap-3 rounded-md px-2 py-0.5 text-left hover:bg-accent"
                    >
                      <span className="w-32 shrink-0 truncate">{r.label}</span>
                      <span className="sr-only">
                        {splits.map((split) => `${r.counts[split] ?? 0} in ${split}`).join(", ")}, together
                      </span>
                      <Bar row={r} splits={splits} most={most} />
                      <span className="num w-14 shrink-0 text-right text-muted-foreground">
                        {count(total(r))}
                      </span>
                    </button>
                  </li>
                ))}
              </ul>
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}
