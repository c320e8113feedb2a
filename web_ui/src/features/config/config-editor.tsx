"use client";
import { CircleCheck, CircleX, LoaderCircle } from "lucide-react";
import { useState } from "react";
import type { Schema } from "@/components/schema-form/schema";
import { type Choices, groupFields, SchemaForm } from "@/components/schema-form/schema-form";
import { Card } from "@/components/ui/card";
import { Checkbox, Input } from "@/components/ui/controls";
import { Tabs, TabsContent, TabsList, TabsTrigger } from "@/components/ui/tabs";
import { JsonEditor } from "@/features/config/json-editor";
import type { Draft } from "@/features/config/use-draft";
import { plural } from "@/lib/format";
import { useQueryState } from "@/lib/nav";

/** What is to be known before saving: whether it is valid, what the run would be called, what is unusual. */
export function Verdict({ draft }: { draft: Draft }) {
  const wrong = Object.keys(draft.errors);
  const toField = (name: string) =>
    document.querySelector<HTMLElement>(`[data-field="${name}"] :is(input, select)`)?.focus();
  return (
    <div role="status" className="flex flex-col gap-1.5">
      {wrong.length ? (
        <p className="flex flex-wrap items-center gap-x-1.5 text-bad">
          <CircleX aria-hidden className="size-4" /> {plural(wrong.length, "field")} to mend:
          {wrong.map((f) => (
            <button
              key={f}
              type="button"
              className="cursor-pointer font-mono text-xs underline"
              onClick={() => toField(f)}
            >
              {f}
            </button>
          ))}
        </p>
      ) : draft.isChecking ? (
        <p className="flex items-center gap-1.5 text-muted-foreground">
          <LoaderCircle aria-hidden className="size-4 animate-spin" /> checking…
        </p>
      ) : (
        <p className="flex flex-wrap items-center gap-1.5 text-ok">
          <CircleCheck aria-hidden className="size-4" /> valid
          {draft.runName && (
            <span className="break-all text-muted-foreground">, runs will be called {draft.runName}</span>
          )}
        </p>
      )}
      {draft.notes.map((n) => (
        <p key={`${n.field} ${n.message}`} className="text-warn text-xs">
          {n.field} {n.message}
        </p>
      ))}
    </div>
  );
}

function FormTab({ schema, draft, choices }: { schema: Schema; draft: Draft; choices: Choices }) {
  const [search, setSearch] = useState("");
  const [isShort, setShort] = useState(false);
  const show = (name: string, p: { description?: string }) => {
    if (isShort && !(name in draft.written) && !(name in draft.errors)) return false;
    return `${name} ${p.description ?? ""}`.toLowerCase().includes(search.toLowerCase());
  };
  return (
    <div className="grid gap-6 lg:grid-cols-[9rem_minmax(0,1fr)]">
      <nav aria-label="Groups of fields" className="sticky top-4 hidden flex-col gap-1 self-start lg:flex">
        {groupFields(schema).map(([g]) => (
          <a key={g} href={`#group-${g}`} className="text-muted-foreground capitalize hover:text-foreground">
            {g}
          </a>
        ))}
      </nav>
      <div className="flex min-w-0 flex-col gap-4">
        <div className="flex flex-wrap items-center gap-3">
          <Input
            data-filter
            aria-label="Search fields"
            placeholder="Search fields  /"
            className="w-56"
            value={search}
            onChange={(e) => setSearch(e.target.value)}
          />
          <label className="flex cursor-pointer items-center gap-1.5 text-muted-foreground text-xs">
            <Checkbox checked={isShort} onChange={(e) => setShort(e.target.checked)} /> only what differs from
            the defaults
          </label>
        </div>
        <SchemaForm
          schema={schema}
          values={draft.values}
          errors={draft.errors}
          choices={choices}
          show={show}
          onChange={draft.set}
        />
      </div>
    </div>
  );
}

export function ConfigEditor({ schema, draft, choices }: { schema: Schema; draft: Draft; choices: Choices }) {
  const [tab, setTab] = useQueryState("view", "form", true);
  return (
    <Card className="p-4">
      <Tabs value={tab} onValueChange={setTab}>
        <TabsList>
          <TabsTrigger value="form">Form</TabsTrigger>
          <TabsTrigger value="json">JSON</TabsTrigger>
        </TabsList>
        <TabsContent value="form">
          <FormTab schema={schema} draft={draft} choices={choices} />
        </TabsContent>
        <TabsContent value="json">
          <JsonEditor draft={draft} />
        </TabsContent>
      </Tabs>
    </Card>
  );
}
