"use client";
import { useState } from "react";
import { fieldError, formError } from "@/components/form-errors";
import { Failed } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/controls";
import { Dialog } from "@/components/ui/dialog";
import { useAct } from "@/lib/api/mutation";
import { createProject } from "@/lib/api/projects";
import { useGo } from "@/lib/nav";

function Form({ close }: { close: () => void }) {
  const go = useGo();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const create = useAct(createProject, {
    isQuiet: true,
    changes: [["projects"]],
    onDone: (p) => {
      close();
      go(`/projects/${p.id}`);
    },
  });
  const rest = formError(create.error, ["name", "description"]);
  return (
    <form
      className="flex flex-col gap-3"
      onSubmit={(e) => {
        e.preventDefault();
        create.mutate({ name: name.trim(), description: description.trim() });
      }}
    >
      <Field label="Name" error={fieldError(create.error, "name")} hint="Short, as it stands in lists.">
        {(aria) => <Input {...aria} value={name} onChange={(e) => setName(e.target.value)} />}
      </Field>
      <Field
        label="Description"
        error={fieldError(create.error, "description")}
        hint="What it is about; may stay empty."
      >
        {(aria) => <Input {...aria} value={description} onChange={(e) => setDescription(e.target.value)} />}
      </Field>
      {rest && <Failed error={rest} />}
      <div className="flex justify-end gap-2">
        <Button variant="ghost" size="md" onClick={close}>
          Cancel
        </Button>
        <Button type="submit" size="md" disabled={!name.trim() || create.isPending}>
          Create project
        </Button>
      </div>
    </form>
  );
}

export function NewProject({ open, setOpen }: { open: boolean; setOpen: (open: boolean) => void }) {
  return (
    <Dialog open={open} onOpenChange={setOpen} title="New project">
      <Form close={() => setOpen(false)} />
    </Dialog>
  );
}
