import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { chromium, type FullConfig } from "@playwright/test";
import { PORT, STATE } from "../playwright.config";

const START_MS = 480_000;
const ROOT = new URL("../..", import.meta.url).pathname;
/** What is behind the page: the API on runs that are over, or `e2e/platform_server.py`, a platform that trains. */
const SERVER = process.env.E2E_SERVER ?? "e2e/api_server.py";

/** The last link that was printed once the server is up: a later one ends those before it. */
function readLink(server: ChildProcess): Promise<string> {
  return new Promise((done, fail) => {
    let said = "";
    const timer = setTimeout(() => fail(new Error(`The server printed no login link:\n${said}`)), START_MS);
    const read = (data: Buffer) => {
      said += data.toString();
      const link = said.match(/https?:\/\/\S+\/login#code=\S+/g)?.at(-1);
      if (link && said.includes("startup complete")) {
        clearTimeout(timer);
        done(link);
      }
    };
    server.stdout?.on("data", read);
    server.stderr?.on("data", read);
    server.on("exit", (code) => fail(new Error(`The server ended with ${code}:\n${said}`)));
  });
}

/** Starts the real API on real runs, logs in once through the page, and keeps the session for all tests. */
export default async function setup(config: FullConfig) {
  const use = config.projects[0]?.use;
  const base = use?.baseURL ?? "";
  const server = process.env.E2E_URL
    ? null
    : spawn(process.env.PYTHON ?? `${ROOT}.venv/bin/python`, [SERVER, String(PORT)], {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, PYTHONPATH: `${ROOT}platform:${ROOT}` },
      });
  const link = server ? await readLink(server) : (process.env.E2E_LINK ?? "");
  const browser = await chromium.launch(use?.launchOptions);
  const page = await browser.newPage();
  await until(async () => (await page.request.get(`${base}/healthz`)).ok());
  await page.goto(link.replace(/^https?:\/\/[^/]+/, base));
  await page.getByRole("heading", { level: 1, name: "Projects" }).waitFor();
  mkdirSync("test-results", { recursive: true });
  await page.context().storageState({ path: STATE });
  await browser.close();
  return async () => {
    const isGone = new Promise((done) => server?.once("exit", done) ?? done(null));
    server?.kill();
    await isGone;
  };
}

async function until(isReady: () => Promise<boolean>) {
  const end = Date.now() + START_MS;
  while (Date.now() < end) {
    if (await isReady().catch(() => false)) return;
    await new Promise((next) => setTimeout(next, 200));
  }
  throw new Error("The server does not answer.");
}
