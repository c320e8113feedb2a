import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LiveSocket, type ServerMessage } from "./socket";

class Fake {
  static all: Fake[] = [];
  readyState = 0;
  sent: string[] = [];
  onopen?: () => void;
  onmessage?: (e: { data: string }) => void;
  onclose?: () => void;
  constructor() {
    Fake.all.push(this);
  }
  send(s: string) {
    this.sent.push(s);
  }
  close() {
    this.readyState = 3;
    this.onclose?.();
  }
  open() {
    this.readyState = 1;
    this.onopen?.();
  }
  say(m: unknown) {
    this.onmessage?.({ data: JSON.stringify(m) });
  }
  asked = () => this.sent.map((s) => JSON.parse(s));
}
const make = () =>
  new LiveSocket(
    () => "ws://x",
    () => new Fake() as unknown as WebSocket,
    () => 0.5,
  );
const nth = (i: number) => Fake.all[i] as Fake;

beforeEach(() => {
  Fake.all = [];
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

it("opens one socket for many subscriptions and hands messages on once per frame, each to its own", () => {
  const live = make();
  const got: ServerMessage[][] = [];
  const off = live.subscribe({ ask: () => ({ topic: "run", run_id: "r" }), take: (b) => got.push(b) });
  const offQueue = live.subscribe({ ask: () => ({ topic: "queue" }), take: () => {} });
  expect(Fake.all).toHaveLength(1);
  nth(0).open();
  expect(nth(0).asked()).toEqual([
    { op: "sub", id: 1, topic: "run", run_id: "r" },
    { op: "sub", id: 2, topic: "queue" },
  ]);
  for (let step = 0; step < 3; step++) nth(0).say({ type: "metrics", id: 1, run_id: "r", points: {} });
  vi.advanceTimersToNextFrame();
  expect(got.map((b) => b.length)).toEqual([3]);
  off();
  offQueue();
  vi.advanceTimersByTime(3000);
  expect(live.status).toBe("idle");
});

it("resumes from what it has heard: the position is asked for anew at each connect", () => {
  const live = make();
  let next = 0;
  live.subscribe({
    ask: () => ({ topic: "log", run_id: "r", stream: "rank0.log", from_line: next }),
    take: (b) => {
      for (const m of b) if (m.type === "log") next = m.start + m.lines.length;
    },
  });
  nth(0).open();
  nth(0).say({
    type: "log",
    id: 1,
    attempt: 1,
    stream: "rank0.log",
    start: 0,
    lines: [
      { line: 0, text: "a" },
      { line: 1, text: "b" },
    ],
  });
  nth(0).close(); // before the frame in which the lines would have been handed on
  expect(live.status).toBe("closed");
  vi.advanceTimersByTime(500);
  nth(1).open();
  expect(nth(1).asked()[0]).toMatchObject({ topic: "log", from_line: 2 });
});

it("waits longer after each failed attempt", () => {
  const live = make();
  live.subscribe({ ask: () => ({ topic: "queue" }), take: () => {} });
  for (const [i, wait] of [500, 1000, 2000].entries()) {
    nth(i).close();
    vi.advanceTimersByTime(wait - 1);
    expect(Fake.all).toHaveLength(i + 1);
    vi.advanceTimersByTime(1);
    expect(Fake.all).toHaveLength(i + 2);
  }
});

it("counts a socket on which nothing is heard any more as cut", () => {
  const live = make();
  live.subscribe({ ask: () => ({ topic: "queue" }), take: () => {} });
  nth(0).open();
  vi.advanceTimersByTime(19_000);
  nth(0).say({ type: "pong" });
  vi.advanceTimersByTime(90_000);
  expect(Fake.all.length).toBeGreaterThan(1);
});

it("says how far it has read, without which the server sends nothing more", () => {
  const live = make();
  live.subscribe({ ask: () => ({ topic: "queue" }), take: () => {} });
  nth(0).open();
  nth(0).say({ type: "mark", number: 3 });
  expect(nth(0).asked().at(-1)).toEqual({ op: "seen", number: 3 });
});
