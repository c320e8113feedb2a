import { queryOptions } from "@tanstack/react-query";
import { api, ok, type Schemas } from "./client";

export type User = Schemas["User"];
export type Role = User["role"];
export type Scope = Schemas["AccessToken"]["scope"];

export const userQueries = {
  list: () =>
    queryOptions({ queryKey: ["users"], queryFn: ({ signal }) => ok(api.GET("/api/v1/users", { signal })) }),
  tokens: () =>
    queryOptions({
      queryKey: ["tokens"],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/tokens", { signal })),
    }),
  audit: () =>
    queryOptions({
      queryKey: ["audit"],
      queryFn: ({ signal }) => ok(api.GET("/api/v1/audit", { params: { query: { limit: 200 } }, signal })),
    }),
};

export const inviteUser = (body: { name: string; role: Role }) => ok(api.POST("/api/v1/users", { body }));

/** The user is read first: a change must name the version that it changes. */
export async function updateUser({ id, ...body }: { id: string; role?: Role; is_disabled?: boolean }) {
  const params = { path: { user_id: id } };
  await api.GET("/api/v1/users/{user_id}", { params });
  return ok(api.PATCH("/api/v1/users/{user_id}", { params, body }));
}
export const newLoginLink = (id: string) =>
  ok(api.POST("/api/v1/users/{user_id}/login-links", { params: { path: { user_id: id } } }));
export const createToken = (body: { name: string; scope: Scope; expires_in_days: number }) =>
  ok(api.POST("/api/v1/tokens", { body }));
export const revokeToken = (id: string) =>
  api.DELETE("/api/v1/tokens/{token_id}", { params: { path: { token_id: id } } });
