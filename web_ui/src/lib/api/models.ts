import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";

export type RegisteredModel = Schemas["RegisteredModel"];
export type ModelVersion = Schemas["ModelVersion"];
export type Stage = ModelVersion["stage"];

export const modelQueries = {
  ofProject: (id: string) =>
    queryOptions({
      queryKey: ["projects", id, "models"],
      queryFn: ({ signal }) =>
        ok(api.GET("/api/v1/projects/{project_id}/models", { params: { path: { project_id: id } }, signal })),
    }),
};

export const createModel = ({
  projectId,
  ...body
}: {
  projectId: string;
  name: string;
  description: string;
}) =>
  ok(api.POST("/api/v1/projects/{project_id}/models", { params: { path: { project_id: projectId } }, body }));
export const addVersion = ({
  modelId,
  ...body
}: {
  modelId: string;
  run_id: string;
  checkpoint: string;
  note: string;
}) => ok(api.POST("/api/v1/models/{model_id}/versions", { params: { path: { model_id: modelId } }, body }));

/** Read first, since its ETag is what the server asks a change to name. */
export async function setStage({
  modelId,
  version,
  stage,
}: {
  modelId: string;
  version: number;
  stage: Stage;
}) {
  const where = { params: { path: { model_id: modelId, version } } };
  await ok(api.GET("/api/v1/models/{model_id}/versions/{version}", where));
  return ok(api.PATCH("/api/v1/models/{model_id}/versions/{version}", { ...where, body: { stage } }));
}
