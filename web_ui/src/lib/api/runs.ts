import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";

export type Run = Schemas["Run"];
export type ComparedRun = Schemas["Comparison"]["runs"][number];
export type Split = Schemas["Evaluation"]["split"];
export type RunDetail = Schemas["RunDetail"];
export type RunFilter = {
  state?: string;
  group_id?: string;
  tag?: string;
  owner?: string;
  q?: string;
  archived?: boolean;
  sort?: string;
};
export type RunAction = "stop" | "pause" | "resume" | "retry" | "clone";
export type BulkAction = Schemas["BulkAction"]["action"];
const PAGE = 250;
const at = (run_id: string) => ({ params: { path: { run_id } } });

export const runQueries = {
  ofProject: (id: string, filter: RunFilter) =>
    infiniteQueryOptions({
      queryKey: ["projects", id, "runs", filter],
      initialPageParam: undefined as string | undefined,
      queryFn: ({ signal, pageParam }) =>
        ok(
          api.GET("/api/v1/projects/{project_id}/runs", {
            params: { path: { project_id: id }, query: { ...filter, limit: PAGE, cursor: pageParam } },
            signal,
          }),
        ),
      getNextPageParam: (last) => last.next_cursor ?? undefined,
    }),
  one: (id: string) =>
    queryOptions({
      queryKey: ["runs", id],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/runs/{run_id}", { ...at(id), signal })),
    }),
  environment: (id: string) =>
    queryOptions({
      queryKey: ["runs", id, "environment"],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/runs/{run_id}/environment", { ...at(id), signal })),
    }),
  events: (id: string) =>
    queryOptions({
      queryKey: ["runs", id, "events"],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/runs/{run_id}/events", { ...at(id), signal })),
    }),
  comparison: (ids: string[]) =>
    queryOptions({
      queryKey: ["compare", ids],
      queryFn: ({ signal }) =>
        ok(api.GET("/api/v1/runs/compare", { params: { query: { ids: ids.join(",") } }, signal })),
    }),
  imageDiff: (a: string, b: string, split: Split) =>
    queryOptions({
      queryKey: ["compare", "images", a, b, split],
      queryFn: ({ signal }) =>
        ok(
          api.GET("/api/v1/runs/compare/images", { params: { query: { a, b, split, limit: 100 } }, signal }),
        ),
    }),
};

const ACTS: Record<RunAction, (id: string) => Promise<Run>> = {
  stop: (id) => ok(api.POST("/api/v1/runs/{run_id}/stop", at(id))),
  pause: (id) => ok(api.POST("/api/v1/runs/{run_id}/pause", at(id))),
  resume: (id) => ok(api.POST("/api/v1/runs/{run_id}/resume", at(id))),
  retry: (id) => ok(api.POST("/api/v1/runs/{run_id}/retry", at(id))),
  clone: (id) => ok(api.POST("/api/v1/runs/{run_id}/clone", at(id))),
};
export const actOnRun = ({ id, action }: { id: string; action: RunAction }) => ACTS[action](id);
export const actOnRuns = (body: { action: BulkAction; run_ids: string[] }) =>
  ok(api.POST("/api/v1/runs/bulk", { body }));
export const updateRun = ({ id, ...body }: { id: string } & Schemas["RunPatch"]) =>
  ok(api.PATCH("/api/v1/runs/{run_id}", { ...at(id), body }));
export const queueRuns = ({ configId, ...body }: { configId: string } & Schemas["RunsFromConfig"]) =>
  ok(api.POST("/api/v1/runs/from-config/{config_id}", { params: { path: { config_id: configId } }, body }));
export const previewDeletion = (id: string) => deletion(id, true);
export const deleteRun = (id: string) => deletion(id, false);
const deletion = (id: string, dry_run: boolean) =>
  ok(api.DELETE("/api/v1/runs/{run_id}", { params: { path: { run_id: id }, query: { dry_run } } }));
