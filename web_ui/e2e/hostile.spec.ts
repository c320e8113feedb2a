// Fault row 58: hostile text in names, tags, notes and log lines is shown as text; nothing runs, the CSP has nothing to refuse.
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { expect, pathsOf, settle, test } from "./fixtures";
import { once, send } from "./furnish";

const HOSTILE = JSON.parse(readFileSync("e2e/hostile.json", "utf8")) as string[];
const ALL = HOSTILE.join(" ");
/** What the browser's policy refused, and whether anything ran. */
async function watch(page: Page): Promise<string[]> {
  const refused: string[] = [];
  await page.exposeFunction("noteRefusal", (what: string) => refused.push(what));
  await page.addInitScript(() => {
    const note = (window as unknown as { noteRefusal: (s: string) => void }).noteRefusal;
    document.addEventListener("securitypolicyviolation", (e) =>
      note(`${e.violatedDirective} ${e.blockedURI}`),
    );
  });
  page.on("dialog", (d) => refused.push(`dialog: ${d.message()}`));
  return refused;
}
const ran = (page: Page) => page.evaluate(() => (window as unknown as { ran?: string }).ran);

test("hostile text everywhere is text: nothing runs, no policy is hurt", async ({ page, places }) => {
  test.setTimeout(300_000);
  const refused = await watch(page);
  const stamp = Date.now();
  const names = HOSTILE.map((text) => `${text.slice(0, 60)} ${stamp}`);
  const project = await send(page, "POST", "/projects", { name: names[0], description: ALL });
  for (const name of names.slice(1)) await send(page, "POST", "/projects", { name, description: name });
  const group = await send(page, "POST", `/projects/${places.project}/groups`, {
    name: names[1],
    description: ALL,
  });
  const tags = HOSTILE.slice(0, 4);
  await send(page, "PATCH", `/runs/${places.run}`, { tags, notes: HOSTILE.join("\n"), group_id: group.id });
  const config = { root: "digits", model_flavour: HOSTILE[0], load_pretrained: false };
  const saved = await send(page, "POST", "/configs", {
    project_id: places.project,
    name: names[2],
    description: ALL,
    config,
  });
  await send(page, "POST", `/projects/${places.project}/models`, { name: names[3], description: ALL });
  const datasets = `/projects/${places.project}/datasets`;
  const named = { root: "hostile", name: (HOSTILE[4] ?? "").slice(0, 60) };
  const dataset = await once(page, datasets, datasets, named);
  await send(page, "POST", `/datasets/${dataset.id}/scan`, undefined);
  const paths = [
    ...pathsOf(places),
    `/projects/${project.id}`,
    `/projects/${places.project}/configs/${saved.id}`,
    `/projects/${places.project}/configs/${saved.id}?view=json`,
    `/projects/${places.project}/datasets/${dataset.id}`,
    `/projects/${places.project}?by=group_name&cols=tags,group_name`,
    `/projects/${places.project}/runs/${places.run}?tab=logs&find=onerror`,
    `/login?next=${encodeURIComponent("javascript:window.ran='next'")}`,
    `/projects/${places.project}/compare?runs=${encodeURIComponent(HOSTILE[0] ?? "")},x`,
  ];
  for (const path of paths) {
    await page.goto(path);
    if (path.startsWith("/login")) await page.getByRole("button", { name: "Log in" }).waitFor();
    else await settle(page);
    expect(await ran(page), path).toBeUndefined();
  }
  expect(refused).toEqual([]);
  await page.goto(`/projects/${places.project}/runs/${places.run}`);
  await settle(page);
  for (const tag of tags) await expect(page.getByRole("button", { name: `Remove tag ${tag}` })).toBeVisible();
  await expect(page.getByText(HOSTILE[4] ?? "").first()).toBeVisible();
  await page.goto(`/projects/${places.project}/datasets/${dataset.id}`);
  await expect(page.getByText("<img src=x onerror=window.ran='class'>").first()).toBeVisible();
  await page.goto(`/projects/${places.project}/runs/${places.run}?tab=logs`);
  await settle(page);
  for (const line of HOSTILE.slice(0, 6))
    await expect(page.getByTestId("log-scroller").getByText(line).first()).toBeVisible();
  await expect(page.getByTestId("log-scroller").locator("a, img, svg, iframe")).toHaveCount(0);
  await send(page, "PATCH", `/runs/${places.run}`, { tags: [], notes: "", group_id: null });
  expect(await ran(page)).toBeUndefined();
  expect(refused).toEqual([]);
});
