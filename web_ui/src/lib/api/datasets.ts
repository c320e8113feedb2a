import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";

export type Dataset = Schemas["Dataset"];
export type Sample = Schemas["Sample"];
const at = (dataset_id: string) => ({ params: { path: { dataset_id } } });
const SCAN_POLL_MS = 1500;

export const datasetQueries = {
  ofProject: (id: string) =>
    queryOptions({
      queryKey: ["projects", id, "datasets"],
      queryFn: ({ signal }) =>
        ok(
          api.GET("/api/v1/projects/{project_id}/datasets", { params: { path: { project_id: id } }, signal }),
        ),
      refetchInterval: (q) =>
        q.state.data?.items.some((d) => d.scan.state === "running") ? SCAN_POLL_MS : false,
    }),
  one: (id: string) =>
    queryOptions({
      queryKey: ["datasets", id],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/datasets/{dataset_id}", { ...at(id), signal })),
      refetchInterval: (q) => (q.state.data?.scan.state === "running" ? SCAN_POLL_MS : false),
    }),
  balance: (id: string) =>
    queryOptions({
      queryKey: ["datasets", id, "classes"],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/datasets/{dataset_id}/classes", { ...at(id), signal })),
    }),
  samples: (id: string, split: string, label: string) =>
    infiniteQueryOptions({
      queryKey: ["datasets", id, "samples", split, label],
      initialPageParam: undefined as string | undefined,
      queryFn: ({ signal, pageParam }) =>
        ok(
          api.GET("/api/v1/datasets/{dataset_id}/samples", {
            params: {
              path: { dataset_id: id },
              query: { split: split || undefined, label: label || undefined, cursor: pageParam, limit: 60 },
            },
            signal,
          }),
        ),
      getNextPageParam: (last) => last.next_cursor ?? undefined,
    }),
};

export const registerDataset = ({ projectId, ...body }: { projectId: string; name?: string; root: string }) =>
  ok(
    api.POST("/api/v1/projects/{project_id}/datasets", { params: { path: { project_id: projectId } }, body }),
  );
export const scanDataset = (id: string) => ok(api.POST("/api/v1/datasets/{dataset_id}/scan", at(id)));
export const imageUrl = (datasetId: string, sampleId: string) =>
  `/api/v1/datasets/${datasetId}/images/${encodeURIComponent(sampleId)}`;
