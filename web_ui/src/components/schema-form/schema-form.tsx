"use client";
import type { Prop, Schema, Values } from "@/components/schema-form/schema";
import { type Offer, SchemaField } from "@/components/schema-form/schema-field";

export type Offers = (field: string) => Offer | undefined;

export function groupFields(schema: Schema): [string, [string, Prop][]][] {
  const groups = new Map<string, [string, Prop][]>();
  for (const entry of Object.entries(schema.properties)) {
    const group = entry[1]["x-group"] ?? "other";
    groups.set(group, [...(groups.get(group) ?? []), entry]);
  }
  // What must be filled in first, free-form options last.
  const rank = ([name, p]: [string, Prop]) =>
    schema.required?.includes(name) ? 0 : p.type === "object" ? 2 : 1;
  for (const fields of groups.values()) fields.sort((a, b) => rank(a) - rank(b));
  // The groups in which something must be filled in come first.
  const isNeeded = (fields: [string, Prop][]) => fields.some(([name]) => schema.required?.includes(name));
  return [...groups].sort(([, a], [, b]) => Number(isNeeded(b)) - Number(isNeeded(a)));
}

/** All fields by group, in the schema's order; `show` says which (a search, only those that were changed). */
export function SchemaForm({
  schema,
  values,
  errors,
  offers,
  show,
  onChange,
}: {
  schema: Schema;
  values: Values;
  errors: Record<string, string>;
  offers: Offers;
  show: (field: string, prop: Prop) => boolean;
  onChange: (field: string, value: unknown) => void;
}) {
  return (
    <div className="flex flex-col gap-6">
      {groupFields(schema).map(([group, fields]) => {
        const shown = fields.filter(([name, prop]) => show(name, prop));
        if (!shown.length) return null;
        return (
          <fieldset key={group} id={`group-${group}`} className="scroll-mt-4">
            <legend className="w-full border-b pb-1 font-semibold capitalize">{group}</legend>
            {shown.map(([name, prop]) => (
              <SchemaField
                key={name}
                name={name}
                prop={prop}
                value={values[name]}
                error={errors[name]}
                offer={offers(name)}
                onChange={(v) => onChange(name, v)}
              />
            ))}
          </fieldset>
        );
      })}
    </div>
  );
}
