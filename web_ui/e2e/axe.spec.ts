import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, pathsOf, settle, test, withTheme } from "./fixtures";
import { furnish } from "./furnish";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
type Result = { violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] };
type Axe = { axe: { run: (context: unknown, options: unknown) => Promise<Result> } };

for (const theme of ["dark", "light"] as const)
  test(`no page has an accessibility violation (${theme})`, async ({ page, places }) => {
    test.setTimeout(300_000);
    await withTheme(page, theme);
    const found: string[] = [];
    const made = await furnish(page, places);
    for (const path of ["/login", ...pathsOf({ ...places, ...made })]) {
      await page.goto(path);
      await settle(page);
      await page.evaluate(axe);
      const violations = await page.evaluate(async () => {
        const options = { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] };
        const result = await (window as unknown as Axe).axe.run(document, options);
        return result.violations.flatMap((v) =>
          v.nodes
            .slice(0, 3)
            .map((n) => `${v.id}: ${n.html.slice(0, 140)} ${n.failureSummary.slice(0, 160)}`),
        );
      });
      found.push(...violations.map((v) => `${path} ${v}`));
    }
    expect(found).toEqual([]);
  });
