import { mkdirSync } from "node:fs";
import { expect, findPlaces, listen, pathsOf, settle, test, withTheme } from "./fixtures";
import { furnish } from "./furnish";

const SIZES = [
  [1280, 900],
  [390, 844],
] as const;

/** Every page, light and dark, wide and narrow; fails on a console error, a page wider than its window, a skeleton that stays. */
for (const theme of ["dark", "light"] as const)
  for (const [width, height] of SIZES)
    test(`pages in ${theme}, ${width} wide`, async ({ browser, page }) => {
      const found = await findPlaces(page);
      const places = { ...found, ...(await furnish(page, found)) };
      const folder = `screenshots/${theme}-${width}`;
      mkdirSync(folder, { recursive: true });
      const context = await browser.newContext({
        viewport: { width, height },
        storageState: await page.context().storageState(),
      });
      const problems: string[] = [];
      for (const path of ["/login", ...pathsOf(places)]) {
        const shown = await context.newPage();
        const noise = listen(shown);
        await withTheme(shown, theme);
        await shown.goto(path);
        await settle(shown).catch(() => problems.push(`${path}: a skeleton stays`));
        await shown.waitForTimeout(400); // charts and images
        const over = await shown.evaluate(() => {
          const main = document.querySelector("main") ?? document.body;
          return Math.max(
            document.documentElement.scrollWidth - innerWidth,
            main.scrollWidth - main.clientWidth,
          );
        });
        if (over > 0) problems.push(`${path}: ${over} pixels too wide`);
        problems.push(...noise.map((n) => `${path}: ${n}`));
        await shown.screenshot({ path: `${folder}/${nameOf(path, places)}.png` });
        await shown.close();
      }
      await context.close();
      expect(problems).toEqual([]);
    });

/** `/projects/<id>/runs/<id>?tab=logs` becomes `project-run-logs`, whatever the ids. */
const nameOf = (path: string, places: Record<string, string | undefined>) =>
  Object.entries(places)
    .reduce((said, [name, id]) => said.replace(new RegExp(`[a-z]+/${id}`), name), path)
    .replace(/runs=[0-9a-f,]+&?|tab=/g, "")
    .replaceAll(/[^a-z0-9]+/gi, "-")
    .replaceAll(/^-|-$/g, "") || "projects";
