import { test as base, expect, type Page } from "@playwright/test";

/** What a page says on its console when something is wrong; refusals and a cut network that a test asks for are not counted. */
export function listen(page: Page): string[] {
  const noise: string[] = [];
  page.on("pageerror", (e) => noise.push(`pageerror: ${e.message}`));
  page.on("console", (m) => {
    const isRefusal = /the server responded with a status of 4\d\d|ERR_INTERNET_DISCONNECTED/.test(m.text());
    if (m.type() === "error" && !isRefusal) noise.push(m.text());
  });
  return noise;
}

type Places = {
  project: string;
  run: string;
  failed: string;
  twin: string;
  /** Only where `furnish` made them. */
  dataset?: string;
  config?: string;
};

/** Ids of what the server's real runs left, by the API. */
export async function findPlaces(page: Page): Promise<Places> {
  const get = async (path: string) => (await page.request.get(path)).json();
  const projects = (await get("/api/v1/projects?limit=100")).items as { id: string; num_runs: number }[];
  const project = projects.find((p) => p.num_runs > 0)?.id ?? "";
  const runs = (await get(`/api/v1/projects/${project}/runs?limit=100`)).items as {
    id: string;
    state: string;
    name: string;
  }[];
  const done = runs.filter((r) => r.state === "succeeded");
  return {
    project,
    run: done.find((r) => !r.name.includes("twin"))?.id ?? "",
    twin: done.find((r) => r.name.includes("twin"))?.id ?? "",
    failed: runs.find((r) => r.state === "failed")?.id ?? "",
  };
}

/** Every test also fails on an uncaught error or a console error: CSP refusals and hydration mismatches land there. */
export const test = base.extend<{ quiet: undefined; places: Places }>({
  quiet: [
    async ({ page }, use) => {
      const noise = listen(page);
      await use(undefined);
      expect(noise).toEqual([]);
    },
    { auto: true },
  ],
  places: async ({ page }, use) => use(await findPlaces(page)),
});
export { expect };

export const pathsOf = ({ project, run, failed, twin, dataset, config }: Places) => [
  "/",
  `/projects/${project}`,
  `/projects/${project}/runs/${run}`,
  `/projects/${project}/runs/${run}?tab=logs`,
  `/projects/${project}/runs/${run}?tab=evaluation`,
  `/projects/${project}/runs/${run}?tab=checkpoints`,
  `/projects/${project}/runs/${run}?tab=system`,
  `/projects/${project}/runs/${run}?tab=config`,
  `/projects/${project}/runs/${run}?tab=history`,
  `/projects/${project}/runs/${failed}`,
  `/projects/${project}/compare?runs=${run},${twin}`,
  `/projects/${project}/compare?runs=${run},${twin}&tab=curves`,
  `/projects/${project}/compare?runs=${run},${twin}&tab=images`,
  `/projects/${project}/configs`,
  `/projects/${project}/configs/new`,
  ...(config ? [`/projects/${project}/configs/${config}`] : []),
  `/projects/${project}/datasets`,
  ...(dataset ? [`/projects/${project}/datasets/${dataset}`] : []),
  `/projects/${project}/models`,
  "/queue",
  "/agents",
  "/settings",
  "/settings?tab=users",
  "/settings?tab=audit",
];

/** Until nothing is loading any more; a skeleton that stays is a failure. */
export async function settle(page: Page) {
  await page.locator("h1").first().waitFor();
  await expect(page.locator("main [data-skeleton]")).toHaveCount(0);
  await page.evaluate(() => document.fonts.ready);
}

export const withTheme = (page: Page, theme: "dark" | "light") =>
  page.addInitScript(
    (t) => localStorage.setItem("ui", JSON.stringify({ state: { theme: t }, version: 0 })),
    theme,
  );
