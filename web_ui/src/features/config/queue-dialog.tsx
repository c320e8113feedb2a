"use client";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { fieldError, formError } from "@/components/form-errors";
import { Failed } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/controls";
import { Dialog } from "@/components/ui/dialog";
import type { Config } from "@/lib/api/configs";
import { useAct } from "@/lib/api/mutation";
import { projectQueries } from "@/lib/api/projects";
import { queueRuns } from "@/lib/api/runs";
import { plural } from "@/lib/format";
import { useGo } from "@/lib/nav";

const EMPTY = { count: "1", priority: "0", workers: "1", gpus: "", group: "", tags: "", suffix: "" };
type Asked = typeof EMPTY;
const FIELDS = ["count", "priority", "workers", "gpus_per_worker", "group_id", "tags", "name_suffix"];

const toRequest = (configId: string, a: Asked) => ({
  configId,
  count: Number(a.count),
  priority: Number(a.priority),
  workers: Number(a.workers),
  gpus_per_worker: a.gpus === "" ? undefined : Number(a.gpus),
  group_id: a.group || undefined,
  tags: a.tags.split(/[\s,]+/).filter(Boolean),
  name_suffix: a.suffix || undefined,
});

function Form({ projectId, config, close }: { projectId: string; config: Config; close: () => void }) {
  const go = useGo();
  const [asked, setAsked] = useState<Asked>(EMPTY);
  const groups = useQuery(projectQueries.groups(projectId));
  const queue = useAct(queueRuns, {
    isQuiet: true,
    done: ({ items }) => `${plural(items.length, "run")} queued`,
    changes: [["projects", projectId], ["queue"], ["configs"]],
    onDone: ({ items }) => {
      close();
      const only = items.length === 1 ? items[0] : undefined;
      go(only ? `/projects/${projectId}/runs/${only.id}` : `/projects/${projectId}`);
    },
  });
  const set = (change: Partial<Asked>) => setAsked({ ...asked, ...change });
  const number = (
    label: string,
    key: "count" | "priority" | "workers" | "gpus",
    field: string,
    hint: ReactNode,
  ) => (
    <Field label={label} error={fieldError(queue.error, field)} hint={hint}>
      {(aria) => (
        <Input
          {...aria}
          type="number"
          className="num"
          value={asked[key]}
          onChange={(e) => set({ [key]: e.target.value })}
        />
      )}
    </Field>
  );
  const rest = formError(queue.error, FIELDS);
  return (
    <form
      className="grid gap-3 sm:grid-cols-2"
      onSubmit={(e) => {
        e.preventDefault();
        queue.mutate(toRequest(config.id, asked));
      }}
    >
      {number("Runs", "count", "count", "More than one: each with the next seed.")}
      {number("Priority", "priority", "priority", "Higher starts first.")}
      {number("Workers", "workers", "workers", "Processes that train together.")}
      {number("GPUs per worker", "gpus", "gpus_per_worker", "Empty: one, or none where there is no GPU.")}
      <Field label="Group" error={fieldError(queue.error, "group_id")}>
        {(aria) => (
          <Select {...aria} value={asked.group} onChange={(e) => set({ group: e.target.value })}>
            <option value="">none</option>
            {groups.data?.items.map((g) => (
              <option key={g.id} value={g.id}>
                {g.name}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="Tags" error={fieldError(queue.error, "tags")}>
        {(aria) => <Input {...aria} value={asked.tags} onChange={(e) => set({ tags: e.target.value })} />}
      </Field>
      {rest && (
        <div className="sm:col-span-2">
          <Failed error={rest} />
        </div>
      )}
      <div className="flex justify-end gap-2 sm:col-span-2">
        <Button variant="ghost" size="md" onClick={close}>
          Cancel
        </Button>
        <Button type="submit" size="md" disabled={queue.isPending || !(Number(asked.count) >= 1)}>
          Queue {plural(Number(asked.count) || 0, "run")}
        </Button>
      </div>
    </form>
  );
}

export function QueueDialog({
  projectId,
  config,
  close,
}: {
  projectId: string;
  config: Config | null;
  close: () => void;
}) {
  return (
    <Dialog
      open={config !== null}
      onOpenChange={(o) => !o && close()}
      title="Queue runs"
      description={config && `of ${config.name}`}
    >
      {config && <Form projectId={projectId} config={config} close={close} />}
    </Dialog>
  );
}
