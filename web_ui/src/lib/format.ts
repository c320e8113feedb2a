/** The one formatter of numbers, sizes, durations and times. */

const NONE = "–";

/** Seconds as `1h 4m`, `4m 10s`, `12s`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds == null) return NONE;
  const s = Math.max(0, Math.round(seconds));
  const [d, h, m] = [Math.floor(s / 86400), Math.floor((s % 86400) / 3600), Math.floor((s % 3600) / 60)];
  if (d) return `${d}d ${h}h`;
  return h ? `${h}h ${m}m` : m ? `${m}m ${s % 60}s` : `${s}s`;
}

/** Bytes in powers of 1000, as disks are sold. */
export function bytes(n: number | null | undefined): string {
  if (n == null) return NONE;
  const units = ["B", "KB", "MB", "GB", "TB"];
  let i = 0;
  let v = n;
  while (v >= 1000 && i < units.length - 1) {
    v /= 1000;
    i++;
  }
  return `${v >= 100 || i === 0 ? v.toFixed(0) : v.toFixed(1)} ${units[i]}`;
}

export function ago(iso: string, now = Date.now()): string {
  const s = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (s < 10) return "just now";
  if (s < 60) return `${Math.floor(s)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

/** A date and time in the reader's own zone, to the second. */
export const exact = (iso: string) =>
  new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const count = (n: number | null | undefined) => (n == null ? NONE : n.toLocaleString("en"));

export const percent = (share: number | null | undefined, digits = 0) =>
  share == null ? NONE : `${(share * 100).toFixed(digits)}%`;

/** A metric to four digits after the point; very small and very large ones in powers of ten. */
export function metric(v: unknown): string {
  if (typeof v !== "number") return NONE;
  const a = Math.abs(v);
  if (a !== 0 && (a < 1e-3 || a >= 1e6)) return v.toExponential(2).replace(/\.?0+e/, "e");
  return a >= 1000 ? count(Math.round(v)) : v.toFixed(4);
}

/** Any value of a config in one line. */
export function plain(v: unknown): string {
  if (v === null || v === undefined || v === "") return NONE;
  if (typeof v === "number")
    return v !== 0 && Math.abs(v) < 1e-3 ? v.toExponential().replace("e-", "e-") : String(v);
  return typeof v === "object" ? JSON.stringify(v) : String(v);
}

export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
