/** Ids with one of them put before another (or at the end, before `null`). */
export function moved(ids: string[], id: string, before: string | null): string[] {
  const rest = ids.filter((x) => x !== id);
  const at = before === null ? rest.length : rest.indexOf(before);
  return at < 0 ? ids : [...rest.slice(0, at), id, ...rest.slice(at)];
}

/** Whom the run at `index` stands before after one step up (-1) or down (+1); undefined where there is no step. */
export function stepTarget(ids: string[], index: number, step: -1 | 1): string | null | undefined {
  const to = index + step;
  if (to < 0 || to >= ids.length) return undefined;
  return step < 0 ? ids[to] : (ids[to + 1] ?? null);
}
