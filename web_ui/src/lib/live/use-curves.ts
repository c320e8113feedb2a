"use client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { fetchCurves, metricQueries } from "@/lib/api/metrics";
import { useUi } from "@/lib/ui-store";
import { CurveStore, type RunCurve } from "./curve-store";
import { live, type ServerMessage } from "./socket";

/**
 * Curves of runs by name: the history by HTTP, then what the socket brings for the runs that are alive.
 * When runs or names join in, those that were there stay in sight until all have come.
 */
export function useCurves(runIds: string[], names: string[], liveIds: string[]) {
  const withAxes = useUi((s) => s.xAxis !== "step");
  const query = useQuery({
    ...metricQueries.curves(runIds, names, withAxes),
    placeholderData: (old, of) =>
      of?.queryKey[1].withAxes === withAxes && old?.items.some((c) => runIds.includes(c.run_id))
        ? old
        : undefined,
  });
  const client = useQueryClient();
  const store = useRef(new CurveStore());
  const [curves, setCurves] = useState<RunCurve[]>([]);
  const what = JSON.stringify([runIds, names]);
  const following = liveIds.join(",");
  useEffect(() => {
    if (!query.data) return;
    const [ids] = JSON.parse(what) as [string[], string[]];
    store.current = new CurveStore();
    store.current.load(query.data.items.filter((c) => ids.includes(c.run_id)));
    setCurves(store.current.all());
  }, [query.data, what]);
  const historyOf = query.isSuccess && !query.isPlaceholderData ? query.dataUpdatedAt : 0;
  // Behind each history the points are asked for anew: what came while it was read is not in it.
  useEffect(() => {
    const [, wanted] = JSON.parse(what) as [string[], string[]];
    const ids = following ? following.split(",") : [];
    if (!historyOf || !ids.length) return;
    const fill = async (runId: string, afterStep: number) => {
      const missed = await fetchCurves([runId], wanted, { withAxes, afterStep }).catch(() => null);
      for (const c of missed?.items ?? []) store.current.append(c.run_id, c.name, c);
      setCurves(store.current.all());
    };
    return live().subscribe({
      ask: () => ({
        topic: "metrics",
        run_ids: ids,
        names: wanted,
        after_step: Object.fromEntries(ids.map((id) => [id, store.current.lastStep(id)])),
      }),
      take: (batch) => {
        const isTouched = takePoints(store.current, batch);
        for (const m of batch) if (m.type === "metrics_gap") void fill(m.run_id, m.after_step);
        if (isTouched) setCurves(store.current.all());
      },
    });
  }, [what, following, historyOf, withAxes]);
  const refetch = () => void client.invalidateQueries({ queryKey: ["metrics"] });
  return { curves, error: query.error, isPending: query.isPending && query.fetchStatus !== "idle", refetch };
}

function takePoints(store: CurveStore, batch: ServerMessage[]): boolean {
  let isTouched = false;
  for (const m of batch)
    if (m.type === "metrics")
      for (const [name, points] of Object.entries(m.points))
        isTouched = store.append(m.run_id, name, points) || isTouched;
  return isTouched;
}
