import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";

export type LogLine = Schemas["LogLine"];
export type LogLevel = Schemas["LogLevel"];
type Split = Schemas["Evaluation"]["split"];
export type Prediction = Schemas["Prediction"];
export type EvaluationDetail = Schemas["EvaluationDetail"];
export type PredictionFilter = {
  split: Split;
  epoch?: number;
  true?: number;
  predicted?: number;
  kind?: "all" | "wrong" | "confident_mistakes" | "worst_loss";
};
const at = (run_id: string) => ({ params: { path: { run_id } } });

export const fetchLog = (run_id: string, attempt: number, stream: string, start: number, limit: number) =>
  ok(
    api.GET("/api/v1/runs/{run_id}/logs", {
      params: { path: { run_id }, query: { attempt, stream, start, limit } },
    }),
  );

export const logDownloadUrl = (runId: string, attempt: number, stream: string) =>
  `/api/v1/runs/${runId}/logs/download?${new URLSearchParams({ attempt: String(attempt), stream })}`;

export const fileQueries = {
  streams: (id: string) =>
    queryOptions({
      queryKey: ["runs", id, "streams"],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/runs/{run_id}/logs/streams", { ...at(id), signal })),
    }),
  logSearch: (id: string, query: { attempt: number; stream: string; q: string; level?: LogLevel }) =>
    queryOptions({
      queryKey: ["runs", id, "log-search", query],
      enabled: query.q !== "" || !!query.level,
      queryFn: ({ signal }) =>
        ok(
          api.GET("/api/v1/runs/{run_id}/logs/search", {
            params: { path: { run_id: id }, query: { ...query, limit: 500 } },
            signal,
          }),
        ),
    }),
  figures: (id: string) =>
    queryOptions({
      queryKey: ["runs", id, "figures"],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/runs/{run_id}/figures", { ...at(id), signal })),
    }),
  evaluations: (id: string) =>
    queryOptions({
      queryKey: ["runs", id, "evaluations"],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/runs/{run_id}/evaluations", { ...at(id), signal })),
    }),
  evaluation: (id: string, split: Split, epoch: number) =>
    queryOptions({
      queryKey: ["runs", id, "evaluations", split, epoch],
      queryFn: ({ signal }) =>
        ok(
          api.GET("/api/v1/runs/{run_id}/evaluations/{split}/{epoch}", {
            params: { path: { run_id: id, split, epoch } },
            signal,
          }),
        ),
    }),
  predictions: (id: string, filter: PredictionFilter) =>
    infiniteQueryOptions({
      queryKey: ["runs", id, "predictions", filter],
      initialPageParam: undefined as string | undefined,
      queryFn: ({ signal, pageParam }) =>
        ok(
          api.GET("/api/v1/runs/{run_id}/predictions", {
            params: { path: { run_id: id }, query: { ...filter, cursor: pageParam, limit: 60 } },
            signal,
          }),
        ),
      getNextPageParam: (last) => last.next_cursor ?? undefined,
    }),
  checkpoints: (id: string) =>
    queryOptions({
      queryKey: ["runs", id, "checkpoints"],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/runs/{run_id}/checkpoints", { ...at(id), signal })),
    }),
};
