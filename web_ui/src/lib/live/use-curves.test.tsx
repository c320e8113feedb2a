import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { beforeEach, expect, it, vi } from "vitest";
import { fetchCurves } from "@/lib/api/metrics";
import { live } from "./socket";
import { useCurves } from "./use-curves";

vi.mock("./socket");
vi.mock("@/lib/api/metrics", async (original) => {
  const fetchCurves = vi.fn();
  const { metricQueries } = await original<typeof import("@/lib/api/metrics")>();
  const curves = (ids: string[], names: string[], withAxes: boolean) => ({
    ...metricQueries.curves(ids, names, withAxes),
    queryFn: () => fetchCurves(ids, names, { withAxes }),
  });
  return { fetchCurves, metricQueries: { ...metricQueries, curves } };
});

const curveOf = (run_id: string, steps: number[]) => ({
  run_id,
  name: "loss",
  steps,
  values: steps.map(() => 0),
  epochs: null,
  times_s: null,
  is_downsampled: false,
  last_step: steps.at(-1) ?? -1,
});
const client = new QueryClient();
const wrapper = ({ children }: { children: ReactNode }) => (
  <QueryClientProvider client={client}>{children}</QueryClientProvider>
);
const draw = (runs: string[], alive: string[] = []) =>
  renderHook((ids: string[]) => useCurves(ids, ["loss"], alive), { wrapper, initialProps: runs });

beforeEach(() => client.clear());

it("keeps in sight the curves that were there while another run joins in", async () => {
  let arrive = () => {};
  vi.mocked(fetchCurves).mockImplementation(async (ids) => {
    if (ids.length > 1) await new Promise<void>((done) => (arrive = done));
    return { items: ids.map((id) => curveOf(id, [1, 2])) };
  });
  const { result, rerender } = draw(["a"]);
  await waitFor(() => expect(result.current.curves).toHaveLength(1));
  rerender(["a", "b"]);
  expect(result.current.isPending).toBe(false);
  expect(result.current.curves.map((c) => c.runId)).toEqual(["a"]);
  arrive();
  await waitFor(() => expect(result.current.curves.map((c) => c.runId)).toEqual(["a", "b"]));
  rerender(["c"]);
  expect(result.current.isPending).toBe(true); // nothing of it was there
});

it("asks for live points behind each history, also one that is read again", async () => {
  const asked: unknown[] = [];
  vi.mocked(live).mockReturnValue({
    subscribe: ({ ask }: { ask: () => { after_step: unknown } }) => {
      asked.push(ask().after_step);
      return () => {};
    },
  } as unknown as ReturnType<typeof live>);
  vi.mocked(fetchCurves).mockResolvedValueOnce({ items: [curveOf("a", [1, 2])] });
  const { result } = draw(["a"], ["a"]);
  await waitFor(() => expect(asked).toEqual([{ a: 2 }]));
  vi.mocked(fetchCurves).mockResolvedValueOnce({ items: [curveOf("a", [1, 2, 3, 4])] });
  result.current.refetch();
  await waitFor(() => expect(asked).toEqual([{ a: 2 }, { a: 4 }]));
});
