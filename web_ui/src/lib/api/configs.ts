import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";

export type Config = Schemas["Config"];
export type ConfigValues = Record<string, unknown>;
const at = (config_id: string) => ({ params: { path: { config_id } } });

export const configQueries = {
  schema: () =>
    queryOptions({
      queryKey: ["config-schema"],
      staleTime: Number.POSITIVE_INFINITY,
      queryFn: ({ signal }) => ok(api.GET("/api/v1/configs/schema", { signal })),
    }),
  registries: () =>
    queryOptions({
      queryKey: ["registries"],
      staleTime: Number.POSITIVE_INFINITY,
      queryFn: ({ signal }) => ok(api.GET("/api/v1/registries", { signal })),
    }),
  modelFlavours: () =>
    queryOptions({
      queryKey: ["model-flavours"],
      staleTime: 60_000,
      queryFn: ({ signal }) => ok(api.GET("/api/v1/model-flavours", { signal })),
    }),
  ofProject: (id: string) =>
    queryOptions({
      queryKey: ["projects", id, "configs"],
      queryFn: ({ signal }) =>
        ok(
          api.GET("/api/v1/configs/project/{project_id}", {
            params: { path: { project_id: id }, query: { limit: 500 } },
            signal,
          }),
        ),
    }),
  one: (id: string) =>
    queryOptions({
      queryKey: ["configs", id],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/configs/{config_id}", { ...at(id), signal })),
    }),
  check: (config: ConfigValues) =>
    queryOptions({
      queryKey: ["config-check", config],
      staleTime: Number.POSITIVE_INFINITY,
      gcTime: 60_000,
      queryFn: ({ signal }) => ok(api.POST("/api/v1/configs/validate", { body: { config }, signal })),
    }),
  diff: (a: string, b: string) =>
    queryOptions({
      queryKey: ["config-diff", a, b],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/configs/diff", { params: { query: { a, b } }, signal })),
    }),
};

export const createConfig = (body: {
  project_id: string;
  name: string;
  description: string;
  config: ConfigValues;
}) => ok(api.POST("/api/v1/configs", { body }));
export const updateConfig = ({
  id,
  ...body
}: {
  id: string;
  name?: string;
  description?: string;
  config?: ConfigValues;
}) => ok(api.PATCH("/api/v1/configs/{config_id}", { ...at(id), body }));
export const cloneConfig = ({ id, name }: { id: string; name: string }) =>
  ok(api.POST("/api/v1/configs/{config_id}/clone", { ...at(id), body: { name } }));
export const archiveConfig = (id: string) => api.DELETE("/api/v1/configs/{config_id}", at(id));
