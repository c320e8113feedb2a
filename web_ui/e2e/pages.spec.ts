import { expect, pathsOf, settle, test } from "./fixtures";

test("every page answers a deep link and a reload", async ({ page, places }) => {
  test.setTimeout(180_000);
  for (const path of pathsOf(places)) {
    await page.goto(path);
    await settle(page);
    await page.reload();
    await settle(page);
    await expect(page.getByRole("main").getByRole("alert")).toHaveCount(0);
    expect(page.url().endsWith(path)).toBe(true);
  }
});

test("from the list to a run and back, without a document load", async ({ page, places }) => {
  await page.goto(`/projects/${places.project}`);
  await settle(page);
  await page.evaluate(() => Object.assign(window, { stayed: true }));
  await page.locator(`a[href$="${places.run}"]`).first().click();
  await expect(page).toHaveURL(new RegExp(`/runs/${places.run}$`));
  await page.getByRole("tab", { name: "Checkpoints" }).click();
  await expect(page).toHaveURL(/\?tab=checkpoints$/);
  await page.goBack();
  await expect(page.getByRole("tab", { name: "Curves" })).toHaveAttribute("aria-selected", "true");
  await page.goBack();
  await expect(page.getByRole("table", { name: "Runs" })).toBeVisible();
  expect(await page.evaluate(() => (window as unknown as { stayed?: boolean }).stayed)).toBe(true);
});

test("a new project, and the server's words when its name is taken", async ({ page }) => {
  const name = `e2e ${Date.now()}`;
  for (const isTaken of [false, true]) {
    await page.goto("/");
    await settle(page);
    await page.getByRole("button", { name: "New project" }).first().click();
    await page.getByLabel("Name", { exact: true }).fill(name);
    await page.getByRole("button", { name: "Create project" }).click();
    if (isTaken) await expect(page.getByRole("dialog")).toContainText("already");
    else await expect(page.getByRole("heading", { level: 1, name })).toBeVisible();
  }
});

test("a config in the form: a wrong value says so at its field, JSON agrees, runs are queued", async ({
  page,
  places,
}) => {
  await page.goto(`/projects/${places.project}/configs/new`);
  await settle(page);
  await page.getByLabel("Name", { exact: true }).fill(`form ${Date.now()}`);
  await page.getByLabel("root", { exact: true }).fill("digits");
  await page.getByLabel("model_flavour", { exact: true }).fill("builtin/resnet-micro");
  await page.getByLabel("batch_size", { exact: true }).fill("0");
  await expect(page.getByText("batch_size must be at least 1")).toBeVisible();
  await expect(page.getByRole("button", { name: "Save", exact: true })).toBeDisabled();
  await page.getByLabel("batch_size", { exact: true }).fill("16");
  await page.getByLabel("load_pretrained", { exact: true }).uncheck();
  await page.getByRole("tab", { name: "JSON" }).click();
  await expect(page.getByLabel("Config as JSON")).toHaveValue(/"batch_size": 16/);
  await page.getByRole("tab", { name: "Form" }).click();
  await page.getByRole("button", { name: "Save and queue" }).click();
  await page.getByLabel("Runs", { exact: true }).fill("2");
  await page.getByRole("button", { name: "Queue 2 runs" }).click();
  await expect(page).toHaveURL(new RegExp(`/projects/${places.project}$`));
  await expect(page.getByRole("table", { name: "Runs" }).getByText("Queued").first()).toBeVisible();
});

test("a cell of the confusion matrix opens its images, and back closes them", async ({ page, places }) => {
  await page.goto(`/projects/${places.project}/runs/${places.run}?tab=evaluation`);
  await settle(page);
  await page
    .getByRole("button", { name: /taken for .*: [1-9]/ })
    .first()
    .click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("img").first()).toBeVisible();
  expect(
    await dialog
      .getByRole("img")
      .first()
      .evaluate((el: HTMLImageElement) => el.decode().then(() => el.naturalWidth)),
  ).toBeGreaterThan(0);
  await page.goBack();
  await expect(dialog).toBeHidden();
});

test("notes of a run are written and kept", async ({ page, places }) => {
  await page.goto(`/projects/${places.project}/runs/${places.twin}`);
  await settle(page);
  const said = `Seed 1, as a check; ${Date.now()}`;
  await page.getByRole("button", { name: /notes$/ }).click();
  await page.getByRole("textbox", { name: "Notes" }).fill(said);
  await page.getByRole("button", { name: "Save notes" }).click();
  await expect(page.getByRole("dialog")).toBeHidden();
  await expect(page.getByText(said)).toBeVisible();
  await page.reload();
  await expect(page.getByText(said)).toBeVisible();
});

test("all runs that are listed are selected by one click, and drawn", async ({ page, places }) => {
  await page.goto(`/projects/${places.project}?q=state:succeeded`);
  await settle(page);
  await page.getByRole("checkbox", { name: "Select all rows" }).check();
  await expect(page.getByText("2 selected")).toBeVisible();
  await expect(page.locator("[data-legend] button")).toHaveCount(2);
  await page.getByRole("checkbox", { name: "Select all rows" }).uncheck();
  await expect(page.getByText("2 selected")).toBeHidden();
});

test("the page follows the system's colour scheme until one is chosen", async ({ page }) => {
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto("/");
  await settle(page);
  const isDark = () => page.locator("html").evaluate((el) => el.classList.contains("dark"));
  expect(await isDark()).toBe(false);
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(isDark).toBe(true);
});

test("a failed run says why, and its line of the log is one click away", async ({ page, places }) => {
  await page.goto(`/projects/${places.project}/runs/${places.failed}`);
  await settle(page);
  await expect(page.getByRole("region", { name: "Cause of the failure" })).toContainText("What to do");
});

test("keys: the list of keys, the palette, rows, the way to the queue", async ({ page, places }) => {
  await page.goto(`/projects/${places.project}`);
  await settle(page);
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toContainText("Select the row");
  await page.keyboard.press("Escape");
  for (const key of ["j", "x", "j", "x", "c"]) await page.keyboard.press(key);
  await expect(page.getByRole("heading", { level: 1, name: "Compare 2 runs" })).toBeVisible();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").fill("agents");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/agents$/);
  await page.keyboard.press("g");
  await page.keyboard.press("q");
  await expect(page).toHaveURL(/\/queue$/);
});

test("an id that does not exist says so with a way back; a path that does not exist is a 404", async ({
  page,
  places,
}) => {
  await page.goto(`/projects/${places.project}/runs/${"0".repeat(32)}`);
  await expect(page.getByText("Not found").first()).toBeVisible();
  await page.getByRole("link", { name: "All runs of the project" }).click();
  await expect(page).toHaveURL(new RegExp(`/projects/${places.project}$`));
  const answer = await page.goto("/no/such/page");
  expect(answer?.status()).toBe(404);
});

test("names are text: nothing in them runs", async ({ page, places }) => {
  const evil = `<img src=x onerror=alert(1)> "><script>alert(2)</script> ${Date.now()}`;
  page.on("dialog", () => expect("a script").toBe("not run"));
  await page.goto("/");
  await settle(page);
  await page.getByRole("button", { name: "New project" }).first().click();
  await page.getByLabel("Name").fill(evil);
  await page.getByRole("button", { name: "Create project" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(evil);
  await page.goto(`/projects/${places.project}/runs/${places.run}`);
  await settle(page);
  await page.getByRole("button", { name: "tag", exact: true }).click();
  await page.getByLabel("New tag").fill("<svg/onload=alert(3)>");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Remove tag <svg/onload=alert(3)>" })).toBeVisible();
  await page.getByRole("button", { name: "Remove tag <svg/onload=alert(3)>" }).click();
});

test("the server is away: said once, what is shown stays, links wait, and it comes back by itself", async ({
  page,
  places,
}) => {
  await page.goto("/");
  await settle(page);
  await page.context().setOffline(true);
  const banner = page.getByText("The server does not answer; trying again.");
  await expect(banner).toBeVisible({ timeout: 30_000 });
  const row = page.locator(`a[href="/projects/${places.project}"]`);
  await row.click();
  await expect(page.getByText("This page opens when the server is back.")).toBeVisible();
  await page.context().setOffline(false);
  await expect(banner).toBeHidden();
  await row.click();
  await expect(page).toHaveURL(new RegExp(`/projects/${places.project}$`));
});

test("log out ends the session", async ({ browser, page }) => {
  await page.goto("/settings");
  await settle(page);
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByLabel("Name").fill(`e2e ${Date.now()}`);
  await page.getByRole("button", { name: "Create token" }).click();
  const secret = await page.getByRole("dialog").locator("code").textContent();
  // In a session of its own, so that those of the other tests live on.
  const own = await browser.newContext({ storageState: undefined });
  const other = await own.newPage();
  await other.goto("/");
  await expect(other).toHaveURL(/\/login/);
  await other.getByLabel("Code or access token").fill(secret ?? "");
  await other.getByRole("button", { name: "Log in" }).click();
  await expect(other.getByRole("heading", { level: 1, name: "Projects" })).toBeVisible();
  await other.getByRole("button", { name: /^Account of/ }).click();
  await other.getByRole("menuitem", { name: "Log out" }).click();
  await expect(other).toHaveURL(/\/login/);
  await other.goto("/agents");
  await expect(other).toHaveURL(/\/login\?next=(%2F|\/)agents$/);
  await own.close();
});
