"use client";
import { useEffect, useMemo, useSyncExternalStore } from "react";
import { fetchLog } from "@/lib/api/run-files";
import { LogStore } from "@/lib/live/log-store";
import { live } from "@/lib/live/socket";

/** A stream of a run's log: its lines on demand, and while it grows what the socket brings. */
export function useLog(runId: string, attempt: number, stream: string, isGrowing: boolean): LogStore {
  const store = useMemo(
    () => new LogStore((start, limit) => fetchLog(runId, attempt, stream, start, limit)),
    [runId, attempt, stream],
  );
  useSyncExternalStore(store.subscribe, store.snapshot, store.snapshot);
  useEffect(() => void store.start(), [store]);
  const { isStarted } = store;
  useEffect(() => {
    if (!isGrowing || !isStarted) return;
    return live().subscribe({
      ask: () => ({ topic: "log", run_id: runId, attempt, stream, from_line: store.total }),
      take: (batch) => {
        for (const m of batch) {
          if (m.type === "log" && m.attempt === attempt) store.append(m.start, m.lines);
          if (m.type === "log_gap" && m.attempt === attempt) store.extend(m.to_line);
        }
      },
    });
  }, [store, isStarted, isGrowing, runId, attempt, stream]);
  return store;
}
