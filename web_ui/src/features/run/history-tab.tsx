"use client";
import { useQuery } from "@tanstack/react-query";
import { Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { SkeletonRows } from "@/components/ui/skeleton";
import { Table, Td, Th } from "@/components/ui/table";
import { When } from "@/components/when";
import { type RunDetail, runQueries } from "@/lib/api/runs";
import { plain } from "@/lib/format";
import { setQuery } from "@/lib/nav";

function Attempts({ run }: { run: RunDetail }) {
  return (
    <Card>
      <CardHeader title="Attempts" hint="each start of the run; curves go on where the one before ended" />
      <Table label="Attempts">
        <thead>
          <tr>
            <Th>#</Th>
            <Th>Outcome</Th>
            <Th>Machine</Th>
            <Th className="text-right">Steps</Th>
            <Th>Began</Th>
            <Th>Ended</Th>
            <Th>
              <span className="sr-only">Log</span>
            </Th>
          </tr>
        </thead>
        <tbody>
          {run.attempts.map((a) => (
            <tr key={a.attempt}>
              <Td className="num">{a.attempt}</Td>
              <Td className="min-w-48">
                {a.outcome ?? "under way"}
                {a.message && (
                  <span className="block break-words text-muted-foreground text-xs">{a.message}</span>
                )}
              </Td>
              <Td>{a.host ?? "–"}</Td>
              <Td className="num whitespace-nowrap text-right">
                {a.start_step ?? 0} to {a.step ?? "–"}
              </Td>
              <Td className="whitespace-nowrap">
                <When at={a.started_at} />
              </Td>
              <Td className="whitespace-nowrap">
                <When at={a.ended_at} />
              </Td>
              <Td className="text-right">
                <Button
                  variant="ghost"
                  onClick={() => setQuery({ tab: "logs", attempt: String(a.attempt), line: null })}
                >
                  Log
                </Button>
              </Td>
            </tr>
          ))}
        </tbody>
      </Table>
    </Card>
  );
}

export function HistoryTab({ run }: { run: RunDetail }) {
  const events = useQuery(runQueries.events(run.id));
  return (
    <div className="flex flex-col gap-4">
      {run.attempts.length > 0 && <Attempts run={run} />}
      <Card>
        <CardHeader title="Events" hint="newest first" />
        <Loaded query={events} skeleton={<SkeletonRows />}>
          {({ items }) => (
            // biome-ignore lint/a11y/noNoninteractiveTabindex: a scroll region must be reachable by keyboard
            <section aria-label="Events" tabIndex={0} className="max-h-[36rem] overflow-auto p-3">
              <ol>
                {items.toReversed().map((e) => (
                  <li key={e.seq} className="flex gap-3 py-0.5">
                    <When at={e.at} className="w-24 shrink-0 text-muted-foreground text-xs leading-5" />
                    <span className="w-36 shrink-0 truncate font-medium">{e.type}</span>
                    <span className="min-w-0 truncate font-mono text-muted-foreground text-xs leading-5">
                      {Object.entries(e.detail ?? {})
                        .map(([k, v]) => `${k}=${plain(v)}`)
                        .join(" ")}
                    </span>
                  </li>
                ))}
              </ol>
            </section>
          )}
        </Loaded>
      </Card>
    </div>
  );
}
