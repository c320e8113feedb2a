"use client";
import { useState } from "react";
import { fieldError, formError } from "@/components/form-errors";
import { Failed } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/controls";
import { Dialog } from "@/components/ui/dialog";
import { registerDataset, scanDataset } from "@/lib/api/datasets";
import { useAct } from "@/lib/api/mutation";
import { useGo } from "@/lib/nav";

function Form({ projectId, close }: { projectId: string; close: () => void }) {
  const go = useGo();
  const [root, setRoot] = useState("");
  const [name, setName] = useState("");
  const register = useAct(registerDataset, {
    isQuiet: true,
    changes: [["projects", projectId, "datasets"]],
    onDone: (d) => {
      close();
      if (d.scan.state === "none") void scanDataset(d.id).catch(() => undefined); // the dataset's page says how it went
      go(`/projects/${projectId}/datasets/${d.id}`);
    },
  });
  const rest = formError(register.error, ["root", "name"]);
  return (
    <form
      className="flex flex-col gap-3"
      onSubmit={(e) => {
        e.preventDefault();
        register.mutate({ projectId, root: root.trim(), name: name.trim() || undefined });
      }}
    >
      <Field
        label="Folder on the server"
        error={fieldError(register.error, "root")}
        hint="Holds train/CLASS/*.jpg, val/CLASS/*.jpg and perhaps test/CLASS/*.jpg; beneath DATASETS_DIR if that is set."
      >
        {(aria) => (
          <Input
            {...aria}
            className="font-mono text-xs"
            value={root}
            onChange={(e) => setRoot(e.target.value)}
          />
        )}
      </Field>
      <Field label="Name" error={fieldError(register.error, "name")} hint="Empty: the folder's.">
        {(aria) => <Input {...aria} value={name} onChange={(e) => setName(e.target.value)} />}
      </Field>
      {rest && <Failed error={rest} />}
      <Button type="submit" size="md" className="self-end" disabled={!root.trim() || register.isPending}>
        Register and scan
      </Button>
    </form>
  );
}

export function RegisterDataset({
  projectId,
  open,
  setOpen,
}: {
  projectId: string;
  open: boolean;
  setOpen: (o: boolean) => void;
}) {
  return (
    <Dialog
      open={open}
      onOpenChange={setOpen}
      title="Register a dataset"
      description="Nothing is copied: the images stay where they are."
    >
      <Form projectId={projectId} close={() => setOpen(false)} />
    </Dialog>
  );
}
