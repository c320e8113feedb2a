// A team's first day on a real `utp up`: each test goes on with what the ones before made.
import { type Page, test as plain } from "@playwright/test";
import { BASE, PORT } from "../../playwright.config";
import { expect, listen, pathsOf, settle } from "../fixtures";
import { Cable } from "./cable";

const OFFLINE_MS = 10_000;
const ROW = 18; // pixels of a line of the log
const ROWS_A_STEP = 20;
/** More training than anybody waits for: on any machine there is something to watch until it is stopped. */
const FIELDS = {
  model_flavour: "builtin/resnet-micro",
  max_datapoints_per_class: "8",
  num_workers: "0",
  epochs: "5000",
  lr: "3e-3",
  num_threads: "1",
  log_interval_steps: "1",
};
type Story = {
  at: (path?: string) => string;
  runAt: (i: number, tab?: string) => string;
  project: string;
  runs: string[];
  dataset: string | undefined;
  config: string | undefined;
};
/** What the browser says of a cable that is cut. */
const CUT = /net::ERR_(CONNECTION_|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)|WebSocket connection/;

/** What the tests before have made, by the API: one that failed takes no other along that does not need its end. */
async function findStory(page: Page): Promise<Story> {
  const get = async (path: string) =>
    (await (await page.request.get(`/api/v1${path}`)).json()).items as { id: string; name: string }[];
  const project = (await get("/projects?limit=100")).find((p) => p.name === "digits")?.id ?? "";
  const runs = (await get(`/projects/${project}/runs?sort=created_at`)).map((r) => r.id);
  const dataset = (await get(`/projects/${project}/datasets`))[0]?.id;
  const config = (await get(`/configs/project/${project}`))[0]?.id;
  const at = (path = "") => `/projects/${project}${path}`;
  const runAt = (i: number, tab = "") => at(`/runs/${runs[i]}${tab && `?tab=${tab}`}`);
  return { project, runs, dataset, config, at, runAt };
}

const test = plain.extend<{ quiet: undefined; story: Story }>({
  quiet: [
    async ({ page }, use) => {
      const noise = listen(page);
      await use(undefined);
      expect(noise.filter((n) => !CUT.test(n))).toEqual([]);
    },
    { auto: true },
  ],
  story: async ({ page }, use) => use(await findStory(page)),
});

const stay = (page: Page) => page.evaluate(() => Object.assign(window, { stayed: true }));
const hasStayed = (page: Page) => page.evaluate(() => (window as unknown as { stayed?: boolean }).stayed);

test("a project is made, and the digits are registered and scanned", async ({ page }) => {
  await page.goto("/");
  await settle(page);
  await page.getByRole("button", { name: "New project" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("digits");
  await page.getByRole("button", { name: "Create project" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "digits" })).toBeVisible();
  await page.getByRole("link", { name: "Datasets" }).click();
  await page.getByRole("button", { name: "Register a dataset" }).first().click();
  await page.getByLabel("Folder on the server").fill("no/such/folder");
  await page.getByRole("button", { name: "Register and scan" }).click();
  await expect(page.getByRole("dialog")).toContainText("no/such/folder");
  await page.getByLabel("Folder on the server").fill("digits");
  await page.getByRole("button", { name: "Register and scan" }).click();
  await expect(page.getByRole("button", { name: /^7 \d+ in train/ })).toBeVisible({
    timeout: 120_000,
  });
  await page.getByRole("button", { name: /^7 \d+ in train/ }).click();
  const image = page.getByRole("main").locator("img").first();
  await expect(image).toBeVisible();
  const width = () => image.evaluate((el: HTMLImageElement) => el.decode().then(() => el.naturalWidth));
  expect(await width()).toBeGreaterThan(0);
});

test("a config is written in the form, which says at the field what is wrong, and queues three runs", async ({
  page,
  story,
}) => {
  await page.goto(story.at("/configs/new"));
  await settle(page);
  await page.getByLabel("Name", { exact: true }).fill("small");
  await expect(page.locator("datalist option[value=digits]")).toBeAttached(); // it offers what is registered
  await page.getByLabel("root", { exact: true }).fill("digits");
  for (const [field, text] of Object.entries(FIELDS))
    await page.getByLabel(field, { exact: true }).fill(text);
  await page.getByLabel("load_pretrained", { exact: true }).uncheck();
  const size = page.getByLabel("batch_size", { exact: true });
  await size.fill("0");
  await expect(size).toHaveAccessibleDescription("batch_size must be at least 1");
  await expect(page.getByRole("button", { name: "Save and queue" })).toBeDisabled();
  await size.fill("16");
  await page.getByRole("button", { name: "Save and queue" }).click();
  await page.getByLabel("Runs", { exact: true }).fill("3");
  await page.getByRole("button", { name: "Queue 3 runs" }).click();
  const table = page.getByRole("table", { name: "Runs" });
  await expect(table.getByRole("link")).toHaveCount(3);
  await stay(page);
  await expect(table.getByText("Running").first()).toBeVisible({ timeout: 300_000 });
  expect(await hasStayed(page)).toBe(true);
});

test("curves and log of a run move by themselves, and stop ends it", async ({ page, story }) => {
  await page.goto(story.runAt(0));
  await expect(page.getByText("Running").first()).toBeVisible({ timeout: 300_000 });
  await stay(page);
  const step = async () =>
    Number(
      (
        await page
          .getByText(/^step [\d.]+k?$/)
          .first()
          .innerText()
      ).slice(5),
    );
  await expect(page.getByRole("img", { name: "Loss by step" })).toBeVisible({ timeout: 60_000 });
  const first = await step();
  await expect.poll(step, { timeout: 60_000 }).toBeGreaterThan(first);
  await page.getByRole("tab", { name: "Log" }).click();
  const lines = async () => Number((await page.getByTestId("log-total").innerText()).replaceAll(/\D/g, ""));
  await expect.poll(lines).toBeGreaterThan(0);
  const before = await lines();
  await expect.poll(lines, { timeout: 60_000 }).toBeGreaterThan(before + 20);
  expect(await hasStayed(page)).toBe(true);
  await page.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByText("Stopped").first()).toBeVisible({ timeout: 120_000 });
  await expect(page.getByRole("button", { name: "Resume" })).toBeVisible();
  expect(await hasStayed(page)).toBe(true);
});

/** Numbers of the log lines that the page was sent, in the order of their coming. */
function countLines(page: Page): number[] {
  const heard: number[] = [];
  page.on("websocket", (socket) =>
    socket.on("framereceived", ({ payload }) => {
      const message = JSON.parse(payload.toString()) as { type: string; lines?: { line: number }[] };
      if (message.type === "log") heard.push(...(message.lines ?? []).map((l) => l.line));
    }),
  );
  return heard;
}

/** All lines that the log shows, from the first on, as one scrolls through it. */
async function readShown(page: Page, total: number): Promise<string[]> {
  const shown = new Map<number, string>();
  const scroller = page.getByTestId("log-scroller");
  for (let first = 0; first < total; first += ROWS_A_STEP) {
    await scroller.evaluate((el, y) => el.scrollTo(0, y), first * ROW);
    await expect
      .poll(async () => {
        const rows = await scroller
          .locator("[data-line]")
          .evaluateAll((all) =>
            all.map((el) => [el.getAttribute("data-line"), el.children[1]?.textContent ?? ""]),
          );
        for (const [n, text] of rows) if (text !== "…") shown.set(Number(n), text ?? "");
        return Array.from({ length: ROWS_A_STEP }, (_, i) => first + i).every(
          (n) => n >= total || shown.has(n),
        );
      }, `lines from ${first} on`)
      .toBe(true);
  }
  return Array.from({ length: total }, (_, i) => shown.get(i) ?? "(lost)");
}

const isAtEnd = (page: Page) =>
  page
    .getByTestId("log-scroller")
    .evaluate((el, row) => el.scrollHeight - el.scrollTop - el.clientHeight < 2 * row, ROW);

test("10 s without the server: no line of the log is lost or doubled", async ({ page, story }) => {
  const cable = await Cable.to(PORT);
  const heard = countLines(page);
  await page.goto(`http://localhost:${cable.port}${story.runAt(1, "logs")}`);
  await expect(page.getByText("Running").first()).toBeVisible({ timeout: 120_000 });
  await expect.poll(() => heard.length, { timeout: 60_000 }).toBeGreaterThan(20);
  await stay(page);
  cable.cut();
  await expect(page.getByText("The server does not answer; trying again.")).toBeVisible({
    timeout: OFFLINE_MS,
  });
  const cutAt = heard.length;
  await page.waitForTimeout(OFFLINE_MS);
  expect(heard.length).toBe(cutAt);
  cable.mend();
  await expect(page.getByText("The server does not answer; trying again.")).toBeHidden({ timeout: 30_000 });
  await expect.poll(() => heard.length, { timeout: 60_000 }).toBeGreaterThan(cutAt + 20);
  expect(await hasStayed(page)).toBe(true);
  const numbers = heard.slice();
  expect(numbers).toEqual(numbers.map((_, i) => (numbers[0] ?? 0) + i)); // each once, none between
  const last = numbers.at(-1) ?? 0;
  await expect.poll(() => isAtEnd(page)).toBe(true); // it follows again
  const file = await page.request.get(
    `/api/v1/runs/${story.runs[1]}/logs/download?attempt=1&stream=rank0.log`,
  );
  const written = (await file.text()).split("\n").slice(0, last + 1);
  expect(await readShown(page, written.length)).toEqual(written);
  cable.close();
});

test("two runs are stopped at once and compared, and a cell of the confusion matrix opens its images", async ({
  page,
  story,
}) => {
  await page.goto(story.at());
  const table = page.getByRole("table", { name: "Runs" });
  for (const i of [1, 2])
    await table
      .getByRole("row")
      .filter({ has: page.locator(`a[href="${story.runAt(i)}"]`) })
      .getByRole("checkbox")
      .check();
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await expect(page.getByText("2 runs asked to stop")).toBeVisible();
  await expect(table.getByText("Stopped")).toHaveCount(3, { timeout: 120_000 }); // by themselves: no reload
  await page.getByRole("button", { name: "Compare" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Compare 2 runs" })).toBeVisible();
  await settle(page);
  await expect(page.getByText("seed", { exact: true }).first()).toBeVisible();
  await page.getByRole("tab", { name: "Images" }).click();
  await settle(page);
  await page.goto(story.runAt(1, "evaluation"));
  await settle(page);
  await page
    .getByRole("button", { name: /taken for .*: [1-9]/ })
    .first()
    .click();
  const image = page.getByRole("dialog").locator("img").first();
  await expect(image).toBeVisible();
  const width = () => image.evaluate((el: HTMLImageElement) => el.decode().then(() => el.naturalWidth));
  expect(await width()).toBeGreaterThan(0);
});

test("a checkpoint becomes a model's first version, and goes into production", async ({ page, story }) => {
  await page.goto(story.runAt(1, "checkpoints"));
  await settle(page);
  const best = page.getByRole("row").filter({ has: page.getByLabel("best") });
  await best.getByRole("button", { name: "Register" }).click();
  await page.getByLabel("Name of the new model").fill("digit reader");
  await page.getByRole("dialog").getByRole("button", { name: "Register" }).click();
  await page.getByRole("button", { name: "Stage of version 1: none" }).click();
  await page.getByRole("menuitem", { name: "production" }).click();
  await page.getByRole("button", { name: "Set to production" }).click();
  await expect(page.getByText("v1 in production")).toBeVisible();
  await page.reload();
  await expect(page.getByText("v1 in production")).toBeVisible();
});

test("TensorBoard shows the project's runs inside the page", async ({ page, story }) => {
  await page.goto(story.at("/tensorboard"));
  const frame = page.frameLocator("iframe[title=TensorBoard]");
  await expect(frame.getByText("TensorBoard").first()).toBeVisible({ timeout: 120_000 });
  await expect(frame.getByText("resnet-micro").first()).toBeVisible({ timeout: 60_000 });
});

test("every page answers a reload, and is there again by going back", async ({ page, story }) => {
  const { project, dataset, config, runs } = story;
  const [failed = "", run = "", twin = ""] = runs;
  expect(dataset && config).toBeTruthy();
  for (const path of pathsOf({ project, run, twin, failed, dataset, config })) {
    await page.goto(path);
    await settle(page);
    await page.reload();
    await settle(page);
    await stay(page);
    const away = path === "/queue" ? "/agents" : "/queue";
    await page.getByRole("navigation").locator(`a[href="${away}"]`).click();
    await expect(page).toHaveURL(new RegExp(`${away}$`));
    await page.goBack();
    await expect(page).toHaveURL(`${BASE}${path}`);
    await settle(page);
    await expect(page.getByRole("main").getByRole("alert")).toHaveCount(0);
    expect(await hasStayed(page)).toBe(true);
  }
});

test("log out ends the session", async ({ page, story }) => {
  await page.goto(story.at());
  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("menuitem", { name: "Log out" }).click();
  await expect(page).toHaveURL(/\/login/);
  await page.goto(story.at());
  await expect(page).toHaveURL(/\/login\?next=/);
});
