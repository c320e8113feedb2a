"use client";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Failed, Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/controls";
import { Dialog } from "@/components/ui/dialog";
import { Skeleton } from "@/components/ui/skeleton";
import { addVersion, createModel, modelQueries, type RegisteredModel } from "@/lib/api/models";
import { useAct } from "@/lib/api/mutation";
import type { RunDetail } from "@/lib/api/runs";
import { useGo } from "@/lib/nav";

const NEW = "";

function Form({
  run,
  checkpoint,
  models,
  close,
}: {
  run: RunDetail;
  checkpoint: string;
  models: RegisteredModel[];
  close: () => void;
}) {
  const go = useGo();
  const [modelId, setModelId] = useState(models[0]?.id ?? NEW);
  const [name, setName] = useState("");
  const [note, setNote] = useState("");
  const register = useAct(
    async () => {
      const id =
        modelId || (await createModel({ projectId: run.project_id, name: name.trim(), description: "" })).id;
      return addVersion({ modelId: id, run_id: run.id, checkpoint, note });
    },
    {
      isQuiet: true,
      done: "Registered",
      changes: [["projects", run.project_id, "models"]],
      onDone: () => {
        close();
        go(`/projects/${run.project_id}/models`);
      },
    },
  );
  return (
    <form
      className="flex flex-col gap-3"
      onSubmit={(e) => {
        e.preventDefault();
        register.mutate(undefined);
      }}
    >
      <Field label="Model" hint="The checkpoint becomes its newest version.">
        {(aria) => (
          <Select {...aria} value={modelId} onChange={(e) => setModelId(e.target.value)}>
            {models.map((m) => (
              <option key={m.id} value={m.id}>
                {m.name}
              </option>
            ))}
            <option value={NEW}>New model…</option>
          </Select>
        )}
      </Field>
      {modelId === NEW && (
        <Field label="Name of the new model">
          {(aria) => <Input {...aria} value={name} onChange={(e) => setName(e.target.value)} />}
        </Field>
      )}
      <Field label="Note" hint="Why this one; may stay empty.">
        {(aria) => <Input {...aria} value={note} onChange={(e) => setNote(e.target.value)} />}
      </Field>
      {register.error && <Failed error={register.error} />}
      <Button
        type="submit"
        size="md"
        className="self-end"
        disabled={register.isPending || (modelId === NEW && !name.trim())}
      >
        Register
      </Button>
    </form>
  );
}

export function RegisterModel({
  run,
  checkpoint,
  close,
}: {
  run: RunDetail;
  checkpoint: string | null;
  close: () => void;
}) {
  const models = useQuery({ ...modelQueries.ofProject(run.project_id), enabled: checkpoint !== null });
  return (
    <Dialog
      open={checkpoint !== null}
      onOpenChange={(o) => !o && close()}
      title="Register as a model"
      description={checkpoint}
    >
      <Loaded query={models} skeleton={<Skeleton className="h-40" />}>
        {({ items }) => <Form run={run} checkpoint={checkpoint ?? ""} models={items} close={close} />}
      </Loaded>
    </Dialog>
  );
}
