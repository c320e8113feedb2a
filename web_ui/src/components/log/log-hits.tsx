"use client";
import { useQuery } from "@tanstack/react-query";
import { Loaded } from "@/components/states";
import { SkeletonRows } from "@/components/ui/skeleton";
import { stripAnsi } from "@/lib/ansi";
import { fileQueries, type LogLevel } from "@/lib/api/run-files";
import { plural } from "@/lib/format";

/** What a search found, by line; a click shows the line among its neighbours. */
export function LogHits({
  runId,
  query,
  pick,
}: {
  runId: string;
  query: { attempt: number; stream: string; q: string; level?: LogLevel };
  pick: (line: number) => void;
}) {
  const hits = useQuery(fileQueries.logSearch(runId, query));
  return (
    <Loaded query={hits} skeleton={<SkeletonRows rows={4} />}>
      {({ items, total, is_complete }) => (
        <section aria-label="Found lines" className="max-h-60 overflow-auto border-b">
          <p role="status" className="px-3 py-1 text-muted-foreground text-xs">
            {plural(total, "line")} found
            {is_complete ? "" : " so far; the log is long, only its end was searched"}
          </p>
          <ul className="pb-1 font-mono text-xs">
            {items.map((h) => (
              <li key={h.line}>
                <button
                  type="button"
                  onClick={() => pick(h.line)}
                  className="flex w-full cursor-pointer gap-3 px-3 text-left leading-5 hover:bg-accent"
                >
                  <span className="num w-14 shrink-0 text-right text-muted-foreground">{h.line + 1}</span>
                  <span className="truncate">{stripAnsi(h.text)}</span>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </Loaded>
  );
}
