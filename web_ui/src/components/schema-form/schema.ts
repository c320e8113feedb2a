/** The part of JSON Schema that pydantic writes for the flat TrainConfig, and what the form needs to know of it. */
export type Prop = {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Prop[];
  items?: Prop;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minLength?: number;
  "x-group"?: string;
};
export type Schema = { properties: Record<string, Prop>; required?: string[] };
export type Values = Record<string, unknown>;
export type Kind = "enum" | "boolean" | "number" | "integer" | "text" | "list" | "json";
export type Flat = Prop & { isNullable: boolean; kind: Kind };

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** `int | None` becomes a nullable integer; a union of several real types is edited as JSON. */
export function flatten(p: Prop): Flat {
  const branches = p.anyOf?.filter((b) => b.type !== "null") ?? [p];
  const isNullable = !!p.anyOf && branches.length < p.anyOf.length;
  const only = branches.length === 1 ? branches[0] : undefined;
  const merged = { ...p, ...only, description: p.description, default: p.default };
  return { ...merged, isNullable, kind: only ? kindOf(only) : "json" };
}

function kindOf(p: Prop): Kind {
  if (p.enum) return "enum";
  if (p.type === "array")
    return p.items && ["integer", "number", "string"].includes(p.items.type ?? "") ? "list" : "json";
  if (p.type === "boolean" || p.type === "number" || p.type === "integer") return p.type;
  return p.type === "string" ? "text" : "json";
}

export function defaultOf(p: Prop): unknown {
  if ("default" in p) return p.default;
  return flatten(p).type === "object" ? {} : undefined;
}
export const defaults = (s: Schema): Values =>
  Object.fromEntries(Object.entries(s.properties).map(([k, p]) => [k, defaultOf(p)]));

/** What differs from the defaults, in the schema's order: the config as one would write it by hand. */
export function changed(s: Schema, values: Values): Values {
  const known = Object.entries(s.properties).filter(
    ([k, p]) => k in values && values[k] !== undefined && !same(values[k], defaultOf(p)),
  );
  const unknown = Object.keys(values).filter((k) => !(k in s.properties));
  return Object.fromEntries([...known.map(([k]) => [k, values[k]]), ...unknown.map((k) => [k, values[k]])]);
}

function checkNumber(p: Flat, v: unknown): string | undefined {
  if (typeof v !== "number" || Number.isNaN(v)) return "must be a number";
  if (p.kind === "integer" && !Number.isInteger(v)) return "must be a whole number";
  if (p.minimum !== undefined && v < p.minimum) return `must be at least ${p.minimum}`;
  if (p.exclusiveMinimum !== undefined && v <= p.exclusiveMinimum)
    return `must be above ${p.exclusiveMinimum}`;
  if (p.maximum !== undefined && v > p.maximum) return `must be at most ${p.maximum}`;
  if (p.exclusiveMaximum !== undefined && v >= p.exclusiveMaximum)
    return `must be below ${p.exclusiveMaximum}`;
  return undefined;
}

function checkValue(p: Flat, v: unknown, isRequired: boolean): string | undefined {
  if (v === undefined || v === null)
    return (v === null && !p.isNullable) || (isRequired && !p.isNullable) ? "is needed" : undefined;
  if (p.kind === "number" || p.kind === "integer") return checkNumber(p, v);
  if (p.kind === "enum") return p.enum?.includes(v) ? undefined : `must be one of ${p.enum?.join(", ")}`;
  if (p.kind === "boolean") return typeof v === "boolean" ? undefined : "must be true or false";
  if (p.kind === "text") {
    if (typeof v !== "string") return "must be text";
    return v.length < (p.minLength ?? 0) ? "is needed" : undefined;
  }
  if (p.kind === "list" && !Array.isArray(v)) return "must be a list";
  return undefined;
}

/** What the schema alone can say is wrong, by field; the server says the rest. */
export function check(s: Schema, values: Values): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, raw] of Object.entries(s.properties)) {
    const problem = checkValue(flatten(raw), values[name], s.required?.includes(name) ?? false);
    if (problem) out[name] = problem;
  }
  for (const name of Object.keys(values)) if (!(name in s.properties)) out[name] = "is no field of a config";
  return out;
}
