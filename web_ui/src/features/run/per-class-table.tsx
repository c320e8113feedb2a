"use client";
import { useState } from "react";
import { Card, CardHeader } from "@/components/ui/card";
import { Table, Td, Th } from "@/components/ui/table";
import type { EvaluationDetail } from "@/lib/api/run-files";
import { cn } from "@/lib/cn";
import { count, metric } from "@/lib/format";

const FIELDS = ["support", "precision", "recall", "f1"] as const;
type Field = (typeof FIELDS)[number];

export function PerClassTable({ rows }: { rows: EvaluationDetail["per_class"] }) {
  const [sort, setSort] = useState<{ field: Field; isDescending: boolean }>({
    field: "f1",
    isDescending: false,
  });
  const sorted = [...rows].sort(
    (a, b) => (sort.isDescending ? -1 : 1) * ((a[sort.field] ?? -1) - (b[sort.field] ?? -1)),
  );
  return (
    <Card>
      <CardHeader title="Per class" hint={`${rows.length} classes`} />
      <div className="max-h-[36rem] overflow-auto">
        <Table label="Scores per class">
          <thead>
            <tr>
              <Th>Class</Th>
              {FIELDS.map((f) => (
                <Th
                  key={f}
                  className="text-right"
                  aria-sort={sort.field === f ? (sort.isDescending ? "descending" : "ascending") : "none"}
                >
                  <button
                    type="button"
                    className={cn(
                      "cursor-pointer hover:text-foreground",
                      sort.field === f && "text-foreground",
                    )}
                    onClick={() =>
                      setSort({ field: f, isDescending: sort.field === f && !sort.isDescending })
                    }
                  >
                    {f} {sort.field === f && (sort.isDescending ? "↓" : "↑")}
                  </button>
                </Th>
              ))}
            </tr>
          </thead>
          <tbody>
            {sorted.map((r) => (
              <tr key={r.label}>
                <Td className="max-w-56 truncate">{r.label}</Td>
                <Td className="num text-right text-muted-foreground">{count(r.support)}</Td>
                <Td className="num text-right">{metric(r.precision)}</Td>
                <Td className="num text-right">{metric(r.recall)}</Td>
                <Td className="num text-right">{metric(r.f1)}</Td>
              </tr>
            ))}
          </tbody>
        </Table>
      </div>
    </Card>
  );
}
