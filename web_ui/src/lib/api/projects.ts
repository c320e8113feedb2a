import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";

export type Project = Schemas["Project"];
const at = (project_id: string) => ({ params: { path: { project_id } } });

export const projectQueries = {
  list: () =>
    queryOptions({
      queryKey: ["projects"],
      refetchInterval: 10_000,
      queryFn: ({ signal }) => ok(api.GET("/api/v1/projects", { params: { query: { limit: 500 } }, signal })),
    }),
  one: (id: string) =>
    queryOptions({
      queryKey: ["projects", id],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/projects/{project_id}", { ...at(id), signal })),
    }),
  groups: (id: string) =>
    queryOptions({
      queryKey: ["projects", id, "groups"],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/projects/{project_id}/groups", { ...at(id), signal })),
    }),
};

export const createProject = (body: { name: string; description: string }) =>
  ok(api.POST("/api/v1/projects", { body }));
export const createGroup = ({
  projectId,
  ...body
}: {
  projectId: string;
  name: string;
  description: string;
}) => ok(api.POST("/api/v1/projects/{project_id}/groups", { ...at(projectId), body }));
