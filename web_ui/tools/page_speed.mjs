// Visits the page in Chromium with a stopwatch, for bench/page_speed.py, which says in one JSON argument where to look.
import { chromium } from "@playwright/test";

const asked = JSON.parse(process.argv[2] ?? "{}");
const VISITS = 5;
const SCROLL_MS = 10_000;
const at = (path) => `${asked.url}/projects/${asked.project}${path}`;
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});

async function logIn() {
  const page = await browser.newPage();
  for (let i = 0; i < 300; i++) {
    const isUp = await page.request.get(`${asked.url}/healthz`).catch(() => null);
    if (isUp?.ok()) break;
    await new Promise((next) => setTimeout(next, 200));
  }
  await page.goto(asked.link);
  await page.getByRole("heading", { level: 1, name: "Projects" }).waitFor();
  const state = await page.context().storageState();
  await page.close();
  return state;
}

const storageState = await logIn();
const visit = async () => {
  const context = await browser.newContext({ storageState, viewport: { width: 1440, height: 900 } });
  return context.newPage();
};

/** From the address to rows that answer a key: the first row is chosen by `j` and marked. */
async function projectPage() {
  const page = await visit();
  await page.addInitScript(() => {
    const look = () => {
      const isThere = document.querySelectorAll("table[aria-label=Runs] tbody a").length >= 8;
      if (isThere) document.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
      if (isThere && document.querySelector("table[aria-label=Runs] [aria-current]"))
        window.usable = performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await page.goto(at(""));
  await page.waitForFunction(() => window.usable);
  const ms = await page.evaluate(() => window.usable);
  await page.context().close();
  return ms;
}

/** All runs that have a curve are selected by one click: until the chart with all of them is painted. */
async function curves() {
  const page = await visit();
  await page.goto(at("?q=tag:drawn&metric=train_loss"));
  const all = page.getByRole("checkbox", { name: "Select all rows" });
  await page.waitForFunction(
    (n) => document.querySelector("table[aria-label=Runs]")?.ariaRowCount === String(n + 1),
    asked.curves,
  );
  await page.waitForTimeout(1500); // the chart of the best runs is drawn
  await page.evaluate((n) => {
    const few = document.querySelector(".uplot");
    document.addEventListener(
      "click",
      () => {
        window.clicked = performance.now();
        const look = () => {
          const names = document.querySelectorAll("[data-legend] button").length;
          const chart = document.querySelector(".uplot");
          const isDrawn = names >= n && chart && chart !== few;
          if (isDrawn)
            requestAnimationFrame(() =>
              setTimeout(() => {
                window.drawn = performance.now();
              }),
            );
          else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      },
      { capture: true, once: true },
    );
  }, asked.curves);
  await all.click();
  await page.waitForFunction(() => window.drawn);
  const ms = await page.evaluate(() => window.drawn - window.clicked);
  await page.context().close();
  return ms;
}

/** Frames while a wheel turns through the log, which grows meanwhile. */
async function scroll() {
  const page = await visit();
  let messages = 0;
  page.on("websocket", (s) =>
    s.on("framereceived", ({ payload }) => {
      if (String(payload).includes('"log"')) messages++;
    }),
  );
  await page.goto(at(`/runs/${asked.run}?tab=logs`));
  const scroller = page.getByTestId("log-scroller");
  await page.locator("[data-line]").first().waitFor();
  await scroller.hover();
  await scroller.evaluate((el) => {
    el.scrollTop = el.scrollHeight / 2;
  });
  await page.waitForTimeout(1500);
  const before = messages;
  await page.evaluate((ms) => {
    const frames = [];
    const end = performance.now() + ms;
    const tick = (now) => {
      frames.push(now);
      if (now < end) requestAnimationFrame(tick);
      else window.frames_ = frames;
    };
    requestAnimationFrame(tick);
  }, SCROLL_MS);
  const end = Date.now() + SCROLL_MS;
  while (Date.now() < end) {
    await page.mouse.wheel(0, 240);
    await page.waitForTimeout(30);
  }
  await page.waitForFunction(() => window.frames_);
  const frames = await page.evaluate(() => window.frames_);
  const gaps = frames
    .slice(1)
    .map((f, i) => f - frames[i])
    .toSorted((a, b) => a - b);
  const seconds = (frames.at(-1) - frames[0]) / 1000;
  const top = await scroller.evaluate((el) => el.scrollTop);
  await page.context().close();
  return {
    fps: (frames.length - 1) / seconds,
    worst: gaps.at(-1),
    p95: gaps[Math.floor(gaps.length * 0.95)],
    perSecond: (messages - before) / seconds,
    top,
  };
}

/** Bytes of scripts as they come over the wire, of the first page that one sees. */
async function javascript(path) {
  const page = await visit();
  const wire = await page.context().newCDPSession(page);
  const scripts = new Set();
  let bytes = 0;
  wire.on("Network.responseReceived", (e) => e.type === "Script" && scripts.add(e.requestId));
  wire.on("Network.loadingFinished", (e) => {
    if (scripts.has(e.requestId)) bytes += e.encodedDataLength;
  });
  await wire.send("Network.enable");
  await page.goto(path);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForTimeout(1500);
  await page.context().close();
  return bytes / 1000;
}

const many = async (measure) => {
  const all = [];
  for (let i = 0; i < VISITS; i++) all.push(await measure());
  return all;
};

const projects = await many(projectPage);
const drawn = await many(curves);
const scrolls = [await scroll(), await scroll(), await scroll()];
const middle = scrolls.toSorted((a, b) => a.fps - b.fps)[1];
const result = {
  project_ms: median(projects),
  project_worst_ms: Math.max(...projects),
  curves_ms: median(drawn),
  curves_worst_ms: Math.max(...drawn),
  scroll_fps: middle.fps,
  scroll_p95_ms: middle.p95,
  scroll_worst_ms: middle.worst,
  messages_per_second: middle.perSecond,
  javascript_kb: await javascript(`${asked.url}/`),
  javascript_run_page_kb: await javascript(at(`/runs/${asked.run}`)),
};
console.log(JSON.stringify(result));
await browser.close();
