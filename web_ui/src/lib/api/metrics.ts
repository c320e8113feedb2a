import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";

export type CurveOut = Schemas["CurveOut"];
export type MetricName = Schemas["MetricName"];

const MOST_POINTS = 60_000;
/** Of a curve, extremes kept: more of one than a chart has pixels, fewer of each where many are drawn. */
const pointsEach = (curves: number) => Math.max(500, Math.min(2000, Math.floor(MOST_POINTS / curves)));

/** Epochs and times of the steps, by which few charts are drawn, are most of the server's work. */
type Asked = { withAxes: boolean; afterStep?: number; signal?: AbortSignal };

export const fetchCurves = (runIds: string[], names: string[], { withAxes, afterStep, signal }: Asked) =>
  ok(
    api.GET("/api/v1/metrics", {
      params: {
        query: {
          run_ids: runIds.join(","),
          names: names.join(","),
          max_points: pointsEach(runIds.length * names.length),
          after_step: afterStep,
          axes: withAxes,
        },
      },
      signal,
    }),
  );

export const metricQueries = {
  names: (runId: string) =>
    queryOptions({
      queryKey: ["runs", runId, "metric-names"],
      queryFn: ({ signal }) =>
        ok(api.GET("/api/v1/runs/{run_id}/metrics/names", { params: { path: { run_id: runId } }, signal })),
    }),
  /** History up to now; what comes later is the socket's. */
  curves: (runIds: string[], names: string[], withAxes: boolean) =>
    queryOptions({
      queryKey: ["metrics", { withAxes }, runIds, names] as const,
      enabled: runIds.length > 0 && names.length > 0,
      staleTime: 30_000,
      queryFn: ({ signal }) => fetchCurves(runIds, names, { withAxes, signal }),
    }),
  system: (runId: string) =>
    queryOptions({
      queryKey: ["runs", runId, "system"],
      queryFn: ({ signal }) =>
        ok(api.GET("/api/v1/runs/{run_id}/system", { params: { path: { run_id: runId } }, signal })),
    }),
};
