import { expect, type Page } from "@playwright/test";
import { BASE } from "../playwright.config";

type Thing = { id: string; name: string };

/** Sends what a page would; an answer that is no success fails the test with the server's words. */
export async function send<T = Thing>(page: Page, method: string, path: string, data?: unknown): Promise<T> {
  const url = `/api/v1${path}`;
  const headers: Record<string, string> = { Origin: BASE };
  if (method === "PATCH") headers["If-Match"] = (await page.request.get(url)).headers().etag ?? "";
  const answer = await page.request.fetch(url, { method, data, headers });
  expect(answer.ok(), `${method} ${path}: ${await answer.text()}`).toBe(true);
  return (await answer.json()) as T;
}

/** Makes something once: the one of that name is taken if it is there. */
export async function once(
  page: Page,
  listed: string,
  path: string,
  data: { name: string; [field: string]: unknown },
): Promise<Thing> {
  const { items } = await send<{ items: Thing[] }>(page, "GET", listed);
  return items.find((i) => i.name === data.name) ?? (await send(page, "POST", path, data));
}

const CONFIG = {
  root: "digits",
  model_flavour: "builtin/resnet-micro",
  load_pretrained: false,
  epochs: 12,
  lr: 3e-3,
};

/** Fills the pages that three finished runs leave empty: a group, a dataset, configs, a model with stages, a queue. */
export async function furnish(
  page: Page,
  { project, run, twin }: { project: string; run: string; twin: string },
) {
  const own = (kind: string) => `/projects/${project}/${kind}`;
  const group = await once(page, own("groups"), own("groups"), { name: "seeds" });
  for (const id of [run, twin]) await send(page, "PATCH", `/runs/${id}`, { group_id: group.id });
  await send(page, "PATCH", `/runs/${run}`, { tags: ["baseline"], notes: "Two epochs, as a start." });
  const dataset = await once(page, own("datasets"), own("datasets"), { name: "digits", root: "digits" });
  await send(page, "POST", `/datasets/${dataset.id}/scan`);
  await expect
    .poll(
      async () =>
        (await send<{ scan: { state: string } }>(page, "GET", `/datasets/${dataset.id}`)).scan.state,
    )
    .toBe("done");
  const listed = `/configs/project/${project}`;
  const config = await once(page, listed, "/configs", {
    name: "baseline",
    project_id: project,
    config: CONFIG,
  });
  const slow = { ...CONFIG, lr: 1e-3 };
  await once(page, listed, "/configs", { name: "slower", project_id: project, config: slow });
  const queue = await send<{ items: unknown[] }>(page, "GET", "/queue");
  if (!queue.items.length) await send(page, "POST", `/runs/from-config/${config.id}`, { count: 2 });
  await register(page, project, [run, twin]);
  return { dataset: dataset.id, config: config.id };
}

async function register(page: Page, project: string, runs: string[]) {
  const path = `/projects/${project}/models`;
  const model = await once(page, path, path, { name: "digit-reader", description: "Reads one digit." });
  const { versions } = await send<{ versions: unknown[] }>(page, "GET", `/models/${model.id}`);
  if (versions.length) return;
  for (const [i, run_id] of runs.entries()) {
    const saved = await send<{ items: { name: string; is_best: boolean }[] }>(
      page,
      "GET",
      `/runs/${run_id}/checkpoints`,
    );
    const checkpoint = saved.items.find((c) => c.is_best)?.name;
    await send(page, "POST", `/models/${model.id}/versions`, { run_id, checkpoint, note: "" });
    const stage = i ? "candidate" : "production";
    await send(page, "PATCH", `/models/${model.id}/versions/${i + 1}`, { stage });
  }
}
