import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";

export type Agent = Schemas["Agent"];
export type Gpu = Schemas["Gpu"];
export type Queue = Schemas["QueueOut"];
export type QueueItem = Schemas["QueueItem"];
const at = (agent_id: string) => ({ params: { path: { agent_id } } });

export const clusterQueries = {
  agents: () =>
    queryOptions({
      queryKey: ["agents"],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/agents", { signal })),
    }),
  history: (id: string) =>
    queryOptions({
      queryKey: ["agents", id, "history"],
      refetchInterval: 30_000,
      queryFn: ({ signal }) =>
        ok(
          api.GET("/api/v1/agents/{agent_id}/history", {
            params: { path: { agent_id: id }, query: { minutes: 30 } },
            signal,
          }),
        ),
    }),
  queue: () =>
    queryOptions({ queryKey: ["queue"], queryFn: ({ signal }) => ok(api.GET("/api/v1/queue", { signal })) }),
};

export const drainAgent = ({ id, isOn }: { id: string; isOn: boolean }) =>
  isOn
    ? ok(api.POST("/api/v1/agents/{agent_id}/drain", at(id)))
    : ok(api.POST("/api/v1/agents/{agent_id}/undrain", at(id)));
export const quarantineGpu = ({ uuid, reason }: { uuid: string; reason: string }) =>
  ok(api.POST("/api/v1/gpus/{uuid}/quarantine", { params: { path: { uuid } }, body: { reason } }));
export const releaseGpu = (uuid: string) =>
  ok(api.POST("/api/v1/gpus/{uuid}/release", { params: { path: { uuid } } }));
export const moveRun = ({ runId, beforeRunId }: { runId: string; beforeRunId: string | null }) =>
  ok(
    api.POST("/api/v1/queue/{run_id}/move", {
      params: { path: { run_id: runId } },
      body: { before_run_id: beforeRunId },
    }),
  );
export const openTensorBoard = (body: { run_ids: string[] } | { project_id: string }) =>
  ok(api.POST("/api/v1/tensorboard", { body }));
