"use client";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { fieldError, formError } from "@/components/form-errors";
import { Failed } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/controls";
import { Dialog } from "@/components/ui/dialog";
import { useAct } from "@/lib/api/mutation";
import { createGroup, projectQueries } from "@/lib/api/projects";
import { useQueryState } from "@/lib/nav";

const NEW = "+";

function NewGroup({ projectId, close }: { projectId: string; close: () => void }) {
  const [name, setName] = useState("");
  const create = useAct(createGroup, {
    isQuiet: true,
    changes: [["projects", projectId, "groups"]],
    done: "Group created",
    onDone: close,
  });
  const rest = formError(create.error, ["name"]);
  return (
    <form
      className="flex flex-col gap-3"
      onSubmit={(e) => {
        e.preventDefault();
        create.mutate({ projectId, name: name.trim(), description: "" });
      }}
    >
      <Field
        label="Name"
        error={fieldError(create.error, "name")}
        hint="Runs join a group when they are queued, or on their page."
      >
        {(aria) => <Input {...aria} value={name} onChange={(e) => setName(e.target.value)} />}
      </Field>
      {rest && <Failed error={rest} />}
      <Button type="submit" size="md" className="self-end" disabled={!name.trim() || create.isPending}>
        Create group
      </Button>
    </form>
  );
}

/** Shows the runs of one experiment group; the last line makes a new one. */
export function GroupSelect({ projectId }: { projectId: string }) {
  const groups = useQuery(projectQueries.groups(projectId));
  const [group, setGroup] = useQueryState("group", "");
  const [isNew, setNew] = useState(false);
  return (
    <>
      <Select
        aria-label="Experiment group"
        className="h-7 max-w-40 text-xs"
        value={group}
        onChange={(e) => (e.target.value === NEW ? setNew(true) : setGroup(e.target.value))}
      >
        <option value="">All groups</option>
        {groups.data?.items.map((g) => (
          <option key={g.id} value={g.id}>
            {g.name} ({g.num_runs})
          </option>
        ))}
        <option value={NEW}>New group…</option>
      </Select>
      <Dialog open={isNew} onOpenChange={setNew} title="New experiment group">
        <NewGroup projectId={projectId} close={() => setNew(false)} />
      </Dialog>
    </>
  );
}
