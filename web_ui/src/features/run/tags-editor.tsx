"use client";
import { Plus, X } from "lucide-react";
import { useState } from "react";
import { Badge } from "@/components/ui/badge";
import { useAct } from "@/lib/api/mutation";
import { type RunDetail, updateRun } from "@/lib/api/runs";

/** Tags in place: Enter adds, the cross removes. */
export function TagsEditor({ run }: { run: RunDetail }) {
  const [text, setText] = useState<string | null>(null);
  const update = useAct(updateRun, {
    changes: [
      ["runs", run.id],
      ["projects", run.project_id, "runs"],
    ],
  });
  const add = () => {
    const tag = text?.trim();
    if (tag && !run.tags.includes(tag)) update.mutate({ id: run.id, tags: [...run.tags, tag] });
    setText(null);
  };
  return (
    <span className="flex flex-wrap items-center gap-1">
      {run.tags.map((t) => (
        <Badge key={t}>
          {t}
          <button
            type="button"
            aria-label={`Remove tag ${t}`}
            className="cursor-pointer hover:text-foreground"
            onClick={() => update.mutate({ id: run.id, tags: run.tags.filter((x) => x !== t) })}
          >
            <X />
          </button>
        </Badge>
      ))}
      {text === null ? (
        <button
          type="button"
          className="flex cursor-pointer items-center gap-0.5 rounded px-1 text-xs hover:bg-accent hover:text-foreground"
          onClick={() => setText("")}
        >
          <Plus aria-hidden className="size-3" /> tag
        </button>
      ) : (
        <input
          // biome-ignore lint/a11y/noAutofocus: it was just asked for
          autoFocus
          aria-label="New tag"
          className="h-5 w-24 rounded border border-input bg-background px-1 text-xs"
          value={text}
          onChange={(e) => setText(e.target.value)}
          onBlur={add}
          onKeyDown={(e) => {
            if (e.key === "Enter") add();
            if (e.key === "Escape") setText(null);
          }}
        />
      )}
    </span>
  );
}
