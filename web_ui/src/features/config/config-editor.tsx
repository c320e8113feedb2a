"use client";
import { CircleCheck, CircleDashed, CircleX, LoaderCircle } from "lucide-react";
import { useState } from "react";
import type { Schema } from "@/components/schema-form/schema";
import { groupFields, type Offers, SchemaForm } from "@/components/schema-form/schema-form";
import { Card } from "@/components/ui/card";
import { Checkbox, Input } from "@/components/ui/controls";
import { Tabs, TabsContent, TabsList, TabsTrigger } from "@/components/ui/tabs";
import { JsonEditor } from "@/features/config/json-editor";
import type { Draft } from "@/features/config/use-draft";
import { cn } from "@/lib/cn";
import { plural } from "@/lib/format";
import { useQueryState } from "@/lib/nav";

/** What is to be known before saving: whether it is valid, what the run would be called, what is unusual. */
export function Verdict({ draft }: { draft: Draft }) {
  const all = Object.keys(draft.errors);
  const isEmpty = (name: string) => draft.errors[name] === "is needed";
  const wrong = all.some((f) => !isEmpty(f)) ? all : [];
  const toField = (name: string) =>
    document.querySelector<HTMLElement>(`[data-field="${name}"] :is(input, select)`)?.focus();
  return (
    <div role="status" className="flex flex-col gap-1.5">
      {all.length ? (
        <p
          className={cn(
            "flex flex-wrap items-center gap-x-1.5",
            wrong.length ? "text-bad" : "text-muted-foreground",
          )}
        >
          {wrong.length ? (
            <CircleX aria-hidden className="size-4" />
          ) : (
            <CircleDashed aria-hidden className="size-4" />
          )}
          {wrong.length ? `${plural(wrong.length, "field")} to mend:` : "still needed:"}
          {all.map((f) => (
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
          <CircleCheck aria-hidden className="size-4" /> Valid.
          {draft.runName && (
            <span className="break-all text-muted-foreground">Runs will be called {draft.runName}</span>
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

function FormTab({ schema, draft, offers }: { schema: Schema; draft: Draft; offers: Offers }) {
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
          offers={offers}
          show={show}
          onChange={draft.set}
        />
      </div>
    </div>
  );
}

export function ConfigEditor({ schema, draft, offers }: { schema: Schema; draft: Draft; offers: Offers }) {
  const [tab, setTab] = useQueryState("view", "form", true);
  return (
    <Card className="p-4">
      <Tabs value={tab} onValueChange={setTab}>
        <TabsList>
          <TabsTrigger value="form">Form</TabsTrigger>
          <TabsTrigger value="json">JSON</TabsTrigger>
        </TabsList>
        <TabsContent value="form">
          <FormTab schema={schema} draft={draft} offers={offers} />
        </TabsContent>
        <TabsContent value="json">
          <JsonEditor draft={draft} />
        </TabsContent>
      </Tabs>
    </Card>
  );
}
