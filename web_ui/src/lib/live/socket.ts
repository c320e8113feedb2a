import { type Schemas, socketUrl } from "@/lib/api/client";

export type ClientMessage = Schemas["WsClientMessage"];
export type ServerMessage = Schemas["WsServerMessage"];
export type LiveStatus = "idle" | "connecting" | "open" | "closed";
type Sub = Extract<ClientMessage, { op: "sub" }>;
type Topic<T> = T extends Sub ? Omit<T, "op" | "id"> : never;

export type Subscription = {
  /** What to ask for, from where on: read again at each connect, so that a reconnect resumes. */
  ask: () => Topic<Sub>;
  take: (batch: ServerMessage[]) => void;
};

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const PING_MS = 20_000;
const HIDDEN_FLUSH_MS = 250;

/**
 * One socket for the whole app. What arrives is handed on at most once per animation frame (or every 250 ms while the
 * tab is hidden), in batches; after a cut it connects again, with a growing, jittered wait.
 */
export class LiveSocket {
  status: LiveStatus = "idle";
  private socket: WebSocket | null = null;
  private subs = new Map<number, Subscription>();
  private pending = new Map<number, ServerMessage[]>();
  private isScheduled = false;
  private attempt = 0;
  private nextId = 1;
  private listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private heartbeat: ReturnType<typeof setInterval> | undefined;
  private heard = 0;

  constructor(
    private readonly url: () => string = socketUrl,
    private readonly make: (url: string) => WebSocket = (u) => new WebSocket(u, "utp.v1"),
    private readonly random: () => number = Math.random,
  ) {}

  onStatus = (fn: () => void) => {
    this.listeners.add(fn);
    return () => void this.listeners.delete(fn);
  };
  getStatus = () => this.status;

  subscribe(sub: Subscription): () => void {
    const id = this.nextId++;
    this.subs.set(id, sub);
    clearTimeout(this.idle);
    if (this.socket) this.ask(id, sub);
    else if (this.status === "idle") this.connect();
    return () => {
      this.subs.delete(id);
      this.pending.delete(id);
      this.send({ op: "unsub", id });
      // Not at once: the next page subscribes in a moment, and should find the socket open.
      if (this.subs.size === 0) this.idle = setTimeout(() => this.subs.size === 0 && this.close(), 2000);
    };
  }
  private idle: ReturnType<typeof setTimeout> | undefined;

  close() {
    clearTimeout(this.timer);
    clearInterval(this.heartbeat);
    const s = this.socket;
    this.socket = null;
    s?.close();
    this.set("idle");
  }

  private set(status: LiveStatus) {
    if (status === this.status) return;
    this.status = status;
    for (const l of this.listeners) l();
  }

  private send(message: ClientMessage) {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }

  private ask(id: number, sub: Subscription) {
    this.send({ op: "sub", id, ...sub.ask() } as Sub);
  }

  private connect() {
    this.set("connecting");
    const s = this.make(this.url());
    this.socket = s;
    s.onopen = () => {
      this.attempt = 0;
      this.heard = Date.now();
      this.set("open");
      for (const [id, sub] of this.subs) this.ask(id, sub);
      this.heartbeat = setInterval(() => this.beat(s), PING_MS);
    };
    s.onmessage = (e) => this.receive(JSON.parse(e.data as string) as ServerMessage);
    s.onclose = () => this.lost(s);
  }

  /** A network that went away silently closes no socket: no word for two beats counts as cut. */
  private beat(s: WebSocket) {
    if (Date.now() - this.heard > 2.5 * PING_MS) {
      s.close();
      this.lost(s);
    } else this.send({ op: "ping" });
  }

  private lost(s: WebSocket) {
    if (this.socket !== s) return;
    clearInterval(this.heartbeat);
    this.flush(); // so that the resume starts after what has been heard
    this.socket = null;
    this.set("closed");
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempt++) * (0.5 + this.random());
    this.timer = setTimeout(() => (this.subs.size ? this.connect() : this.set("idle")), wait);
  }

  private receive(m: ServerMessage) {
    this.heard = Date.now();
    if (m.type === "mark") this.send({ op: "seen", number: m.number }); // else the server sends nothing more
    if (!("id" in m) || m.id == null || !this.subs.has(m.id)) return;
    const list = this.pending.get(m.id);
    if (list) list.push(m);
    else this.pending.set(m.id, [m]);
    if (this.isScheduled) return;
    this.isScheduled = true;
    if (document.hidden) setTimeout(this.flush, HIDDEN_FLUSH_MS);
    else requestAnimationFrame(this.flush);
  }

  private flush = () => {
    this.isScheduled = false;
    const batch = this.pending;
    this.pending = new Map();
    for (const [id, messages] of batch) this.subs.get(id)?.take(messages);
  };
}

let shared: LiveSocket | undefined;
export const live = () => {
  shared ??= new LiveSocket();
  return shared;
};
