import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { useServerState } from "@/lib/server-state";
import { ApiError, api, ok, ServerAway } from "./client";

const answers: (() => Promise<Response>)[] = [];
const seen: Request[] = [];
const json =
  (status: number, body: unknown, headers = {}) =>
  async () =>
    new Response(JSON.stringify(body), {
      status,
      headers: { "content-type": "application/json", ...headers },
    });

beforeEach(() => {
  vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 200 });
  vi.stubGlobal("fetch", async (r: Request) => {
    seen.push(r);
    return (answers.shift() ?? json(500, null))();
  });
});
afterEach(() => {
  answers.length = seen.length = 0;
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it("throws the problem document of a refusal, and a sentence where there is none", async () => {
  answers.push(
    json(409, { detail: "is taken", way_out: "take another", status: 409 }),
    async () => new Response("<html>", { status: 502 }),
  );
  await expect(ok(api.GET("/api/v1/me"))).rejects.toMatchObject({
    status: 409,
    message: "is taken",
    problem: { way_out: "take another" },
  });
  await expect(ok(api.GET("/api/v1/me"))).rejects.toThrow("The server answered 502");
});

it("says that the server is away when nothing answers, and takes it back at the next answer", async () => {
  answers.push(async () => Promise.reject(new TypeError("fetch failed")), json(200, {}));
  await expect(ok(api.GET("/api/v1/me"))).rejects.toBeInstanceOf(ServerAway);
  expect(useServerState.getState().isAway).toBe(true);
  await ok(api.GET("/api/v1/me"));
  expect(useServerState.getState().isAway).toBe(false);
});

it("sends a POST whose answer got lost once more with the same key", async () => {
  answers.push(async () => Promise.reject(new TypeError("cut")), json(201, { id: "1" }));
  await ok(api.POST("/api/v1/projects", { body: { name: "a", description: "" } }));
  const keys = seen.map((r) => r.headers.get("Idempotency-Key"));
  expect(keys).toHaveLength(2);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(keys[1]).toBe(keys[0]);
});

it("gives back the ETag of what was read as If-Match", async () => {
  answers.push(json(200, {}, { etag: '"7"' }), json(412, { detail: "was changed meanwhile" }));
  const at = { params: { path: { run_id: "a".repeat(32) } } };
  await ok(api.GET("/api/v1/runs/{run_id}", at));
  await expect(
    ok(api.PATCH("/api/v1/runs/{run_id}", { ...at, body: { notes: "x" } })),
  ).rejects.toBeInstanceOf(ApiError);
  expect(seen[1]?.headers.get("If-Match")).toBe('"7"');
});
