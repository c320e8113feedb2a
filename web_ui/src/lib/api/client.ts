import createClient, { type Middleware } from "openapi-fetch";
import { noteAnswer, noteSilence } from "@/lib/server-state";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Problem = Partial<Schemas["Problem"]> & { detail: string };

/** Empty in production (same origin); `NEXT_PUBLIC_API_BASE` names another origin. */
const base = (process.env.NEXT_PUBLIC_API_BASE ?? "").replace(/\/api\/v1\/?$/, "");
const origin = () => base || (typeof window === "undefined" ? "http://localhost" : window.location.origin);

/** What the server refused, in its own words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem,
  ) {
    super(problem.detail);
    this.name = "ApiError";
  }
}

/** The server gave no answer at all: it is away, or the network is. */
export class ServerAway extends Error {
  constructor() {
    super("The server does not answer.");
    this.name = "ServerAway";
  }
}

export async function readProblem(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => null);
  const detail = body && typeof body === "object" && "detail" in body ? body.detail : null;
  if (typeof detail === "string") return body as Problem;
  return { detail: `The server answered ${response.status} ${response.statusText}`.trim() };
}

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));
const hex = (n: number) =>
  Array.from(crypto.getRandomValues(new Uint8Array(n)), (b) => b.toString(16).padStart(2, "0")).join("");

/** A POST carries an Idempotency-Key, so that one whose answer got lost is sent once more without harm. */
async function send(request: Request): Promise<Response> {
  if (request.method === "POST") request.headers.set("Idempotency-Key", hex(16));
  const again = request.method === "POST" ? request.clone() : null;
  try {
    return await fetch(request);
  } catch (e) {
    if (!again || (e instanceof DOMException && e.name === "AbortError")) throw e;
    await wait(800);
    return await fetch(again);
  }
}

// What was read last of an address: a PATCH of it says so by If-Match, and is refused when another was quicker.
const etags = new Map<string, string>();

const manners: Middleware = {
  onRequest({ request }) {
    const tag = etags.get(new URL(request.url).pathname);
    if (tag && /^(PATCH|PUT)$/.test(request.method)) request.headers.set("If-Match", tag);
  },
  async onResponse({ request, response }) {
    noteAnswer();
    const path = new URL(request.url).pathname;
    const tag = response.headers.get("etag");
    if (response.ok && tag) etags.set(path, tag);
    if (response.ok) return;
    const problem = await readProblem(response.clone());
    if (response.status === 401 && window.location.pathname !== "/login") goToLogin();
    throw new ApiError(response.status, problem);
  },
  onError({ error }) {
    if (error instanceof DOMException && error.name === "AbortError") return error;
    noteSilence();
    return new ServerAway();
  },
};

function goToLogin() {
  const here = window.location.pathname + window.location.search;
  window.location.assign(here === "/" ? "/login" : `/login?next=${encodeURIComponent(here)}`);
}

export const api = createClient<paths>({ baseUrl: origin(), credentials: "same-origin", fetch: send });
api.use(manners);

export const socketUrl = () => {
  const url = new URL("/api/v1/ws", origin());
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.toString();
};

/** openapi-fetch answers {data, error}; errors are thrown above, so data is there. */
export async function ok<T>(call: Promise<{ data?: T }>): Promise<T> {
  const { data } = await call;
  return data as T;
}
