import type { LogLine } from "@/lib/api/run-files";

/** Lines of one stream of a log: fetched in blocks when looked at, appended to by the socket. Outside React: 100 lines/s. */
export const BLOCK = 1000;
export type Line = { text: string; level: string | null; at: string | null };
export type FetchBlock = (
  start: number,
  limit: number,
) => Promise<{ start: number; num_lines: number; lines: LogLine[] }>;

export class LogStore {
  total = 0;
  version = 0;
  isStarted = false;
  error: Error | null = null;
  private blocks = new Map<number, Line[]>();
  private loading = new Set<number>();
  private listeners = new Set<() => void>();

  constructor(
    private readonly fetchBlock: FetchBlock,
    private readonly keep = 120, // blocks in memory: 120k lines, some 20 MB
  ) {}

  subscribe = (fn: () => void) => {
    this.listeners.add(fn);
    return () => void this.listeners.delete(fn);
  };
  snapshot = () => this.version;

  line(i: number): Line | undefined {
    return this.blocks.get(Math.floor(i / BLOCK))?.[i % BLOCK];
  }

  /** How long the log is, with its end, which is what one looks at first. */
  async start() {
    try {
      const page = await this.fetchBlock(-200, 200);
      this.put(page.start, page.lines);
      this.total = Math.max(this.total, page.num_lines);
      this.isStarted = true;
      this.error = null;
    } catch (e) {
      this.error = e as Error;
    }
    this.changed();
  }

  /** Asks for what is on screen; what is here or under way costs nothing. So a gap heals when it is looked at. */
  ensure(from: number, to: number) {
    for (let b = Math.floor(from / BLOCK); b <= Math.floor(Math.max(from, to - 1) / BLOCK); b++)
      if (!this.loading.has(b) && this.lacks(b, from, to)) void this.load(b);
  }

  append(start: number, lines: LogLine[]) {
    this.put(start, lines);
    this.total = Math.max(this.total, start + lines.length);
    this.changed();
  }

  /** Lines that exist and were not sent: they are fetched when looked at. */
  extend(total: number) {
    this.total = Math.max(this.total, total);
    this.changed();
  }

  private changed() {
    this.version++;
    for (const l of this.listeners) l();
  }

  private lacks(b: number, from: number, to: number) {
    const block = this.blocks.get(b);
    const end = Math.min((b + 1) * BLOCK, to, this.total);
    for (let i = Math.max(from, b * BLOCK); i < end; i++) if (block?.[i % BLOCK] === undefined) return true;
    return false;
  }

  private async load(b: number) {
    this.loading.add(b);
    try {
      const page = await this.fetchBlock(b * BLOCK, BLOCK);
      this.put(page.start, page.lines);
      this.total = Math.max(this.total, page.num_lines);
      this.error = null;
    } catch (e) {
      this.error = e as Error;
    }
    this.loading.delete(b);
    this.changed();
  }

  private put(start: number, lines: LogLine[]) {
    lines.forEach(({ text, level, at }, i) => {
      const b = Math.floor((start + i) / BLOCK);
      const block = this.blocks.get(b) ?? [];
      block[(start + i) % BLOCK] = { text, level, at };
      if (i === 0 || (start + i) % BLOCK === 0) this.blocks.delete(b); // the newest goes to the end of the order
      if (!this.blocks.has(b)) this.blocks.set(b, block);
    });
    while (this.blocks.size > this.keep) this.blocks.delete(this.blocks.keys().next().value as number);
  }
}
