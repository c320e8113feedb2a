import { CircleCheck, CircleX, TriangleAlert } from "lucide-react";
import { Card, CardHeader } from "@/components/ui/card";
import type { Dataset } from "@/lib/api/datasets";

/** What the scan found wrong, errors first, with the first paths of each. */
export function Problems({ problems }: Pick<Dataset, "problems">) {
  const sorted = [...problems].sort((a, b) => a.severity.localeCompare(b.severity));
  return (
    <Card>
      <CardHeader title="Problems" />
      {sorted.length === 0 && (
        <p className="flex items-center gap-2 p-3 text-ok">
          <CircleCheck aria-hidden className="size-4" /> None were found.
        </p>
      )}
      <ul>
        {sorted.map((p) => (
          <li key={p.kind} className="border-b px-3 py-2 last:border-b-0">
            <p className="flex items-start gap-2">
              {p.severity === "error" ? (
                <CircleX aria-label="Error" className="mt-0.5 size-4 shrink-0 text-bad" />
              ) : (
                <TriangleAlert aria-label="Warning" className="mt-0.5 size-4 shrink-0 text-warn" />
              )}
              <span className="min-w-0 break-words">{p.message}</span>
            </p>
            {p.paths.length > 0 && (
              <details className="pl-6">
                <summary className="cursor-pointer text-muted-foreground text-xs">
                  {p.paths.length < p.count ? `${p.paths.length} of ${p.count} files` : `${p.count} files`}
                </summary>
                <ul className="break-all font-mono text-xs">
                  {p.paths.map((path) => (
                    <li key={path}>{path}</li>
                  ))}
                </ul>
              </details>
            )}
          </li>
        ))}
      </ul>
    </Card>
  );
}
