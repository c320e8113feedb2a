"use client";
import { RotateCcw } from "lucide-react";
import { useId, useState } from "react";
import { defaultOf, type Flat, flatten, type Prop } from "@/components/schema-form/schema";
import { Checkbox, Input, Select } from "@/components/ui/controls";
import { cn } from "@/lib/cn";
import { plain } from "@/lib/format";

export type Choice = { name: string; doc: string };
/** What a field can name; an open one takes other text as well. */
export type Offer = { choices: Choice[]; isOpen: boolean };
type Aria = { id: string; "aria-invalid": boolean; "aria-describedby": string };
type ControlProps = {
  p: Flat;
  value: unknown;
  onChange: (v: unknown) => void;
  aria: Aria;
  choices?: Choice[];
};

const write = (v: unknown, kind: Flat["kind"]): string => {
  if (v === null || v === undefined) return "";
  if (kind === "list" && Array.isArray(v)) return v.join(", ");
  return kind === "json" ? JSON.stringify(v) : String(v);
};

/** Text to a value; what is no number or no JSON stays text, for the check to refuse. */
export function read(text: string, p: Flat): unknown {
  const t = text.trim();
  if (p.kind === "text") return t === "" && p.isNullable ? null : text;
  if (t === "") return p.kind === "json" && p.type === "object" ? {} : null;
  if (p.kind === "number" || p.kind === "integer") return Number.isNaN(Number(t)) ? t : Number(t);
  if (p.kind === "list") {
    const parts = t.split(/[\s,]+/).filter(Boolean);
    return p.items?.type === "string" ? parts : parts.map((x) => (Number.isNaN(Number(x)) ? x : Number(x)));
  }
  try {
    return JSON.parse(t);
  } catch {
    return t;
  }
}

/** The text is the reader's while it is typed ("1e-" on the way to "1e-4"); a value from elsewhere replaces it. */
function TextControl({ p, value, onChange, aria, choices }: ControlProps) {
  const [text, setText] = useState(write(value, p.kind));
  const isStale =
    JSON.stringify(read(text, p)) !== JSON.stringify(value ?? null) &&
    JSON.stringify(read(text, p)) !== JSON.stringify(value);
  const shown = isStale ? write(value, p.kind) : text;
  const isShort = p.kind === "number" || p.kind === "integer";
  return (
    <>
      <Input
        {...aria}
        className={cn(isShort && "num w-36", p.kind === "json" && "font-mono text-xs")}
        inputMode={isShort ? "decimal" : undefined}
        list={choices ? `${aria.id}-choices` : undefined}
        spellCheck={false}
        placeholder={p.isNullable ? "none" : p.kind === "json" ? "JSON" : undefined}
        value={shown}
        onChange={(e) => {
          setText(e.target.value);
          onChange(read(e.target.value, p));
        }}
      />
      {choices && (
        <datalist id={`${aria.id}-choices`}>
          {choices.map((c) => (
            <option key={c.name} value={c.name}>
              {c.doc}
            </option>
          ))}
        </datalist>
      )}
    </>
  );
}

function EnumControl({ p, value, onChange, aria }: ControlProps) {
  return (
    <Select
      {...aria}
      className="w-56"
      value={value == null ? "" : String(value)}
      onChange={(e) => onChange(e.target.value === "" ? null : e.target.value)}
    >
      {p.isNullable && <option value="">none</option>}
      {p.enum?.map((o) => (
        <option key={String(o)}>{String(o)}</option>
      ))}
    </Select>
  );
}

function BooleanControl({ p, value, onChange, aria }: ControlProps) {
  if (!p.isNullable)
    return (
      <Checkbox
        {...aria}
        className="size-4"
        checked={value === true}
        onChange={(e) => onChange(e.target.checked)}
      />
    );
  const text = value == null ? "" : String(value);
  return (
    <Select
      {...aria}
      className="w-36"
      value={text}
      onChange={(e) => onChange(e.target.value === "" ? null : e.target.value === "true")}
    >
      <option value="">as it fits</option>
      <option value="true">yes</option>
      <option value="false">no</option>
    </Select>
  );
}

function Control(props: ControlProps) {
  if (props.p.kind === "enum") return <EnumControl {...props} />;
  if (props.p.kind === "boolean") return <BooleanControl {...props} />;
  return <TextControl {...props} />;
}

/** A field whose names are all known is chosen from them; what a plug-in brings came as JSON, and stays. */
function offered(p: Flat, offer: Offer | undefined, value: unknown): Flat {
  if (!offer || offer.isOpen || p.kind !== "text") return p;
  return { ...p, kind: "enum", enum: [...new Set([...offer.choices.map((c) => c.name), value ?? ""])] };
}

export function SchemaField({
  name,
  prop,
  value,
  error,
  offer,
  onChange,
}: {
  name: string;
  prop: Prop;
  value: unknown;
  error?: string;
  offer?: Offer;
  onChange: (v: unknown) => void;
}) {
  const id = useId();
  const choices = offer?.choices;
  const p = offered(flatten(prop), offer, value);
  const isChanged = JSON.stringify(value ?? null) !== JSON.stringify(defaultOf(prop) ?? null);
  // What is still to be filled in is no mistake, until something stands there.
  const isWrong = !!error && !(value === undefined || value === null || value === "");
  const aria = { id, "aria-invalid": isWrong, "aria-describedby": `${id}-help` };
  const chosen = choices?.find((c) => c.name === value);
  return (
    <div
      data-field={name}
      className="grid items-start gap-x-4 gap-y-1 border-b py-2 last:border-b-0 md:grid-cols-[13rem_minmax(0,1fr)]"
    >
      <div className="flex items-center gap-1.5 md:pt-1.5">
        <label
          htmlFor={id}
          className={cn("break-all font-mono text-xs", isChanged && "font-semibold text-primary")}
        >
          {name}
        </label>
        {isChanged && "default" in prop && (
          <button
            type="button"
            aria-label={`${name} back to its default`}
            title={`Back to ${plain(prop.default)}`}
            onClick={() => onChange(prop.default)}
            className="cursor-pointer text-muted-foreground hover:text-foreground"
          >
            <RotateCcw className="size-3" />
          </button>
        )}
      </div>
      <div className="min-w-0">
        <div className="flex min-h-8 items-center">
          <Control p={p} value={value} onChange={onChange} aria={aria} choices={choices} />
        </div>
        <p
          id={`${id}-help`}
          className={cn("mt-0.5 text-xs leading-4", isWrong ? "text-bad" : "text-muted-foreground")}
        >
          {error && (isWrong ? `${name} ${error}` : "Needed. ")}
          {isWrong ? "" : (chosen?.doc ?? p.description?.replaceAll("`", ""))}
        </p>
      </div>
    </div>
  );
}
