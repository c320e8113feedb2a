import { QueryClient } from "@tanstack/react-query";
import { expect, it, vi } from "vitest";
import { aRun } from "@/test/a-run";
import { takeRunMessages } from "./cache";

const listOf = (...items: ReturnType<typeof aRun>[]) => ({
  pages: [{ items, next_cursor: null, total: items.length }],
  pageParams: [undefined],
});

it("puts a run's news into its page and into every list of its project", () => {
  const client = new QueryClient();
  const run = aRun({ id: "r1", project_id: "p", state: "running", step: 10 });
  client.setQueryData(["projects", "p", "runs", {}], listOf(run, aRun({ id: "r2", project_id: "p" })));
  client.setQueryData(["runs", "r1"], { ...run, config: { lr: 1 } });
  const seq = takeRunMessages(
    client,
    [{ type: "run", id: 1, seq: 7, run: { ...run, wait_reason: "", step: 20 } }],
    { runId: "r1" },
  );
  expect(seq).toBe(7);
  expect(client.getQueryData(["runs", "r1"])).toMatchObject({ step: 20, config: { lr: 1 } });
  const rows = client.getQueryData<ReturnType<typeof listOf>>(["projects", "p", "runs", {}])?.pages[0]?.items;
  expect(rows?.map((r) => [r.id, r.step])).toEqual([
    ["r1", 20],
    ["r2", 0],
  ]);
});

it("reads the run's page anew when its state changed, and a list anew that a run is missing from", () => {
  const client = new QueryClient();
  const invalidate = vi.spyOn(client, "invalidateQueries");
  const run = aRun({ id: "r1", project_id: "p", state: "running" });
  client.setQueryData(["runs", "r1"], run);
  takeRunMessages(client, [
    { type: "run", id: 1, seq: 8, run: { ...run, wait_reason: "", state: "failed" } },
  ]);
  const asked = invalidate.mock.calls.map(([f]) => f?.queryKey);
  expect(asked).toContainEqual(["runs", "r1"]);
  expect(asked).toContainEqual(["projects"]);
});

it("looks once for a run that no list shows, not at each of its steps", () => {
  const client = new QueryClient();
  const invalidate = vi.spyOn(client, "invalidateQueries");
  const places = new Map<string, string>();
  const say = (change: Partial<ReturnType<typeof aRun>>) => {
    const run = { ...aRun({ id: "r1", project_id: "p", state: "running", ...change }), wait_reason: "" };
    takeRunMessages(client, [{ type: "run", id: 1, seq: 1, run }], { places });
  };
  for (let step = 0; step < 5; step++) say({ step });
  expect(invalidate).toHaveBeenCalledTimes(1);
  say({ step: 5, state: "succeeded" });
  expect(invalidate).toHaveBeenCalledTimes(2);
});
