"use client";
import { useQuery } from "@tanstack/react-query";
import { Download, ScrollText } from "lucide-react";
import { useDeferredValue } from "react";
import { LogHits } from "@/components/log/log-hits";
import { LogView } from "@/components/log/log-view";
import { isAlive } from "@/components/state-badge";
import { Empty, Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Input, Select } from "@/components/ui/controls";
import { Skeleton } from "@/components/ui/skeleton";
import { fileQueries, type LogLevel, logDownloadUrl } from "@/lib/api/run-files";
import type { RunDetail } from "@/lib/api/runs";
import { setQuery, useQueryState } from "@/lib/nav";

const LEVELS = ["info", "warning", "error"];
type Stream = { attempt: number; stream: string };

function useChosen(streams: Stream[], run: RunDetail) {
  const [wantedAttempt] = useQueryState("attempt", "");
  const [wantedStream] = useQueryState("stream", "");
  const attempt = Number(wantedAttempt) || run.attempt || streams.at(-1)?.attempt || 1;
  const names = streams.filter((s) => s.attempt === attempt).map((s) => s.stream);
  const stream = wantedStream || names.find((n) => n === "rank0.log") || names[0] || "rank0.log";
  return { attempt, stream, names: names.includes(stream) ? names : [stream, ...names] };
}

function Log({ run, streams }: { run: RunDetail; streams: Stream[] }) {
  const { attempt, stream, names } = useChosen(streams, run);
  const [text, setText] = useQueryState("find", "", true);
  const [level, setLevel] = useQueryState("level", "");
  const [line] = useQueryState("line", "");
  const find = useDeferredValue(text);
  const attempts = [...new Set([...streams.map((s) => s.attempt), attempt])].sort((a, b) => a - b);
  const mark = (n: number) => setQuery({ line: String(n + 1) }, true);
  return (
    <Card className="flex h-[calc(100dvh-15rem)] min-h-96 flex-col overflow-hidden">
      <div className="flex flex-wrap items-center gap-2 border-b px-3 py-1.5">
        <Select
          aria-label="Attempt"
          className="h-7 text-xs"
          value={attempt}
          onChange={(e) => setQuery({ attempt: e.target.value, line: null })}
        >
          {attempts.map((a) => (
            <option key={a} value={a}>
              attempt {a}
            </option>
          ))}
        </Select>
        <Select
          aria-label="Stream"
          className="h-7 text-xs"
          value={stream}
          onChange={(e) => setQuery({ stream: e.target.value, line: null })}
        >
          {names.map((s) => (
            <option key={s}>{s}</option>
          ))}
        </Select>
        <Select
          aria-label="Level"
          className="h-7 text-xs"
          value={level}
          onChange={(e) => setLevel(e.target.value)}
        >
          <option value="">all levels</option>
          {LEVELS.map((l) => (
            <option key={l} value={l}>
              {l} and above
            </option>
          ))}
        </Select>
        <Input
          data-filter
          aria-label="Search the log"
          placeholder="Search  /"
          className="h-7 w-52 text-xs"
          value={text}
          onChange={(e) => setText(e.target.value)}
        />
        <Button variant="ghost" className="ml-auto" asChild>
          <a href={logDownloadUrl(run.id, attempt, stream)} download>
            <Download aria-hidden /> Download
          </a>
        </Button>
      </div>
      {(find !== "" || level !== "") && (
        <LogHits
          runId={run.id}
          query={{ attempt, stream, q: find, level: (level || undefined) as LogLevel | undefined }}
          pick={mark}
        />
      )}
      <LogView
        key={`${attempt} ${stream}`}
        runId={run.id}
        attempt={attempt}
        stream={stream}
        isGrowing={attempt === run.attempt && isAlive(run.state)}
        marked={Number(line) > 0 ? Number(line) - 1 : null}
        mark={mark}
      />
    </Card>
  );
}

export function LogsTab({ run }: { run: RunDetail }) {
  const streams = useQuery(fileQueries.streams(run.id));
  return (
    <Loaded query={streams} skeleton={<Skeleton className="h-96" />}>
      {({ items }) =>
        items.length || isAlive(run.state) ? (
          <Log run={run} streams={items} />
        ) : (
          <Card>
            <Empty title="This run has written no log." icon={<ScrollText />}>
              {run.state === "queued"
                ? run.wait_reason || "It waits in the queue."
                : "It ended before it wrote anything."}
            </Empty>
          </Card>
        )
      }
    </Loaded>
  );
}
