"use client";
import { NotebookPen } from "lucide-react";
import { useState } from "react";
import { fieldError, formError } from "@/components/form-errors";
import { Failed } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Field, Textarea } from "@/components/ui/controls";
import { Dialog } from "@/components/ui/dialog";
import { useAct } from "@/lib/api/mutation";
import { type RunDetail, updateRun } from "@/lib/api/runs";

function Form({ run, close }: { run: RunDetail; close: () => void }) {
  const [text, setText] = useState(run.notes);
  const update = useAct(updateRun, { isQuiet: true, changes: [["runs", run.id]], onDone: close });
  const rest = formError(update.error, ["notes"]);
  return (
    <form
      className="flex flex-col gap-3"
      onSubmit={(e) => {
        e.preventDefault();
        update.mutate({ id: run.id, notes: text.trim() });
      }}
    >
      <Field
        label="Notes"
        error={fieldError(update.error, "notes")}
        hint="What was tried and what came of it."
      >
        {(aria) => (
          <Textarea {...aria} className="min-h-40" value={text} onChange={(e) => setText(e.target.value)} />
        )}
      </Field>
      {rest && <Failed error={rest} />}
      <Button type="submit" size="md" className="self-end" disabled={update.isPending}>
        Save notes
      </Button>
    </form>
  );
}

/** Notes as they were written, and what edits them. */
export function Notes({ run }: { run: RunDetail }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        className="flex cursor-pointer items-center gap-1 rounded px-1 text-xs hover:bg-accent hover:text-foreground"
        onClick={() => setOpen(true)}
      >
        <NotebookPen aria-hidden className="size-3" /> {run.notes ? "edit notes" : "notes"}
      </button>
      <Dialog open={isOpen} onOpenChange={setOpen} title="Notes" description={run.name}>
        {isOpen && <Form run={run} close={() => setOpen(false)} />}
      </Dialog>
      {run.notes && (
        <p
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scroll region must be reachable by keyboard
          tabIndex={0}
          className="max-h-24 w-full overflow-auto whitespace-pre-wrap break-words text-foreground"
        >
          {run.notes}
        </p>
      )}
    </>
  );
}
