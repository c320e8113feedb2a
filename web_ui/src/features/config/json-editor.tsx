"use client";
import { useState } from "react";
import type { Draft } from "@/features/config/use-draft";
import { cn } from "@/lib/cn";

/** The same config as JSON; while the text is no JSON, the form keeps the last values that were. */
export function JsonEditor({ draft }: { draft: Draft }) {
  const [text, setText] = useState(() => JSON.stringify(draft.written, null, 2));
  const [problem, setProblem] = useState("");
  const edit = (next: string) => {
    setText(next);
    try {
      const value: unknown = JSON.parse(next);
      if (value === null || typeof value !== "object" || Array.isArray(value))
        throw new Error("A config is an object: { … }");
      draft.replace(value as Record<string, unknown>);
      setProblem("");
    } catch (e) {
      setProblem((e as Error).message);
    }
  };
  const errors = Object.entries(draft.errors);
  return (
    <div className="flex flex-col gap-2">
      <textarea
        aria-label="Config as JSON"
        aria-invalid={!!problem || errors.length > 0}
        spellCheck={false}
        className={cn(
          "h-[28rem] w-full rounded-md border bg-background p-3 font-mono text-xs leading-5",
          problem && "border-bad",
        )}
        value={text}
        onChange={(e) => edit(e.target.value)}
      />
      <ul role="status" className="min-h-5 text-bad text-xs">
        {problem && <li>{problem}</li>}
        {!problem &&
          errors.map(([field, message]) => (
            <li key={field}>
              {field} {message}
            </li>
          ))}
      </ul>
      <p className="text-muted-foreground text-xs">Fields that are not here have their defaults.</p>
    </div>
  );
}
