import { queryOptions } from "@tanstack/react-query";
import { api, ok } from "./client";

export const sessionQueries = {
  me: () =>
    queryOptions({
      queryKey: ["me"],
      staleTime: 60_000,
      queryFn: ({ signal }) => ok(api.GET("/api/v1/me", { signal })),
    }),
  meta: () =>
    queryOptions({
      queryKey: ["meta"],
      staleTime: 60_000,
      queryFn: ({ signal }) => ok(api.GET("/api/v1/meta", { signal })),
    }),
};

export const logIn = (code: string) => ok(api.POST("/api/v1/auth/login", { body: { code } }));
export const logOut = () => api.POST("/api/v1/auth/logout");
