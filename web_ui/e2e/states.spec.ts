// What a page says when there is nothing to show, when it can't be read, and while it is on its way; and its keys.
import { expect, settle, test } from "./fixtures";
import { furnish, send } from "./furnish";

const WORDS = "The store can't be read: disk I/O error.";
/** All that pages read, but who one is; queue and machines come by the socket as well. */
const READS = /\/api\/v1\/(?!me\b|meta\b|ws\b)/;

test("what can't be read is said in the server's words, and Retry mends it", async ({ page, places }) => {
  test.setTimeout(300_000);
  const made = await furnish(page, places);
  const own = `/projects/${places.project}`;
  const run = `${own}/runs/${places.run}`;
  const pages = ["/", own, run, `${own}/compare?runs=${places.run},${places.twin}`, `${own}/configs`];
  pages.push(`${own}/configs/${made.config}`, `${own}/datasets`, `${own}/datasets/${made.dataset}`);
  pages.push(`${own}/models`, "/settings?tab=users", "/settings?tab=audit");
  for (const path of pages) {
    await page.route(READS, (r) => r.fulfill({ status: 403, json: { status: 403, detail: WORDS } }));
    await page.goto(path);
    const alert = page.getByRole("alert").filter({ hasText: WORDS }).first();
    await expect(alert, path).toBeVisible();
    await page.unroute(READS);
    await alert.getByRole("button", { name: "Retry" }).click();
    await expect(page.getByRole("main").getByRole("alert"), path).toHaveCount(0);
    await settle(page); // and its name is there
  }
});

test("while a page is read it shows its shape, and nothing that looks like an answer", async ({
  page,
  places,
}) => {
  const own = `/projects/${places.project}`;
  await page.route(READS, () => {}); // never answered
  for (const path of ["/", own, `${own}/runs/${places.run}`, `${own}/configs`, `${own}/models`]) {
    await page.goto(path);
    await expect(page.locator("main [data-skeleton]").first(), path).toBeVisible();
    await expect(page.getByText(/^(There are no|Nothing|No \w+ (is|has))/), path).toHaveCount(0);
  }
  await page.unrouteAll({ behavior: "ignoreErrors" });
});

test("an empty project says on each of its pages what comes next", async ({ page }) => {
  const made = await send(page, "POST", "/projects", { name: `empty ${Date.now()}`, description: "" });
  const own = `/projects/${made.id}`;
  for (const [path, said, next] of [
    ["", "There are no runs here yet.", "New config"],
    ["/configs", "There are no configs yet.", "New config"],
    ["/datasets", "No dataset is registered yet.", "Register a dataset"],
    ["/models", "No model is registered yet.", "Best runs"],
    ["/compare", "Two to twenty runs can be compared.", "Choose runs"],
  ]) {
    await page.goto(`${own}${path}`);
    await settle(page);
    const main = page.getByRole("main");
    await expect(main.getByText(said ?? "")).toBeVisible();
    await expect(main.getByText(next ?? "", { exact: true }).last()).toBeVisible();
  }
});

test("rows of every list are gone through by j and k and opened by Enter; / searches where nothing is filtered", async ({
  page,
  places,
}) => {
  await furnish(page, places);
  const own = `/projects/${places.project}`;
  for (const [path, opened] of [
    [`${own}/configs`, /\/configs\/[0-9a-f]+$/],
    [`${own}/datasets`, /\/datasets\/[0-9a-f]+$/],
    ["/queue", /\/runs\/[0-9a-f]+$/],
  ] as const) {
    await page.goto(path);
    await settle(page);
    for (const key of ["j", "j", "k"]) await page.keyboard.press(key);
    await expect(page.locator("tr[aria-current]")).toHaveCount(1);
    await page.keyboard.press("Enter");
    await expect(page).toHaveURL(opened);
  }
  await page.goto("/agents");
  await settle(page);
  await page.keyboard.press("/");
  await page.getByRole("combobox").fill("digits");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("combobox")).toBeHidden();
  await page.goto("/");
  await settle(page);
  await page.keyboard.press("/");
  await expect(page.getByRole("textbox", { name: "Filter projects" })).toBeFocused();
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await expect(page.locator("tr[aria-current]")).toHaveCount(1);
});

test("Enter presses the button that has the focus, whatever row is marked", async ({ page }) => {
  await page.goto("/");
  await settle(page);
  await page.keyboard.press("j");
  await page.getByRole("button", { name: "New project" }).first().focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "New project" })).toBeVisible();
});

test("the form suggests the project's datasets and the models that are known", async ({ page, places }) => {
  await furnish(page, places);
  await page.goto(`/projects/${places.project}/configs/new`);
  await settle(page);
  const suggested = async (field: string) => {
    const list = await page.getByLabel(field, { exact: true }).getAttribute("list");
    return page
      .locator(`[id="${list}"] option`)
      .evaluateAll((all) => all.map((o) => (o as HTMLOptionElement).value));
  };
  await expect.poll(() => suggested("root")).toContain("digits");
  await expect.poll(() => suggested("model_flavour")).toContain("builtin/resnet-micro");
  await page.getByLabel("model_flavour", { exact: true }).fill("builtin/resnet-micro");
  await expect(page.locator("[data-field=model_flavour] p")).not.toBeEmpty();
});
