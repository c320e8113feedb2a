"use client";
import { useQuery } from "@tanstack/react-query";
import { Play, Save } from "lucide-react";
import { useState } from "react";
import { fieldError, formError } from "@/components/form-errors";
import { PageHeader } from "@/components/page-header";
import { useProjectTrail } from "@/components/project-trail";
import type { Schema } from "@/components/schema-form/schema";
import type { Offers } from "@/components/schema-form/schema-form";
import { Failed, isMissing, Missing } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Field, Input } from "@/components/ui/controls";
import { Skeleton } from "@/components/ui/skeleton";
import { ConfigEditor, Verdict } from "@/features/config/config-editor";
import { QueueDialog } from "@/features/config/queue-dialog";
import { useDraft } from "@/features/config/use-draft";
import { type Config, configQueries, createConfig, updateConfig } from "@/lib/api/configs";
import { type Dataset, datasetQueries } from "@/lib/api/datasets";
import { useAct } from "@/lib/api/mutation";
import { plural } from "@/lib/format";
import { useGo, useIds, useQueryState, useTitle } from "@/lib/nav";

/** `loss` is chosen from the registry of that name, `root` from the project's datasets. */
function useOffers(projectId: string): Offers {
  const registries = useQuery(configQueries.registries());
  const flavours = useQuery(configQueries.modelFlavours());
  const datasets = useQuery(datasetQueries.ofProject(projectId));
  const open = {
    root: datasets.data?.items.map((d) => ({ name: d.root, doc: describe(d) })),
    model_flavour: flavours.data,
  };
  return (field) => {
    const isOpen = field === "root" || field === "model_flavour";
    const choices = isOpen ? open[field] : registries.data?.[field];
    return choices && { choices, isOpen };
  };
}

const describe = (d: Dataset) =>
  d.scanned_at
    ? `Dataset ${d.name}: ${plural(d.num_images, "image")} of ${plural(d.num_classes, "class", "classes")}.`
    : `Dataset ${d.name}, not scanned yet.`;

type EditorProps = {
  projectId: string;
  config: Config | null;
  start: Record<string, unknown>;
  schema: Schema;
};

function useSave(
  { projectId, config }: Pick<EditorProps, "projectId" | "config">,
  onSaved: (c: Config) => void,
) {
  // A config that has runs says what they were: it is saved under a new name.
  const isInPlace = config !== null && config.num_runs === 0;
  const save = useAct(
    async ({ name, values }: { name: string; values: Record<string, unknown> }) =>
      isInPlace
        ? updateConfig({ id: config.id, name, config: values })
        : createConfig({ project_id: projectId, name, description: "", config: values }),
    {
      isQuiet: true,
      done: (c) => `Config ${c.name} saved`,
      changes: [["projects", projectId, "configs"], ["configs"]],
      onDone: onSaved,
    },
  );
  return { save, isInPlace };
}

function Editor(p: EditorProps) {
  const go = useGo();
  const draft = useDraft(p.schema, p.start);
  const [name, setName] = useState(
    p.config && p.config.num_runs === 0 ? p.config.name : p.config ? `${p.config.name} 2` : "",
  );
  const [queued, setQueued] = useState<Config | null>(null);
  const [thenQueue, setThenQueue] = useState(false);
  const { save, isInPlace } = useSave(p, (c) => {
    if (thenQueue) setQueued(c);
    else if (c.id !== p.config?.id) go(`/projects/${p.projectId}/configs/${c.id}`);
  });
  const submit = (isToQueue: boolean) => {
    setThenQueue(isToQueue);
    save.mutate({ name: name.trim(), values: draft.written });
  };
  const isUnchanged =
    p.config !== null && JSON.stringify(draft.written) === JSON.stringify(onlyChanged(p.config));
  const canSave = draft.isValid && name.trim() !== "" && !save.isPending;
  const rest = formError(save.error, ["name", ...Object.keys(p.schema.properties)]);
  const queue = () => (p.config && isUnchanged ? setQueued(p.config) : submit(true));
  return (
    <div className="flex flex-col gap-4 px-4 pb-6 md:px-6">
      <Card className="flex flex-wrap items-start gap-4 p-4">
        <Field
          label="Name"
          className="w-full md:w-72"
          error={fieldError(save.error, "name")}
          hint={
            p.config && !isInPlace
              ? `${p.config.name} has ${plural(p.config.num_runs, "run")} and stays as it is`
              : undefined
          }
        >
          {(aria) => <Input {...aria} value={name} onChange={(e) => setName(e.target.value)} />}
        </Field>
        <div className="min-w-0 md:flex-1 md:pt-5">
          <Verdict draft={draft} />
        </div>
        <div className="flex gap-2 md:pt-5">
          <Button variant="outline" size="md" disabled={!canSave} onClick={() => submit(false)}>
            <Save aria-hidden /> {isInPlace || !p.config ? "Save" : "Save as new"}
          </Button>
          <Button size="md" disabled={!(isUnchanged || canSave)} onClick={queue}>
            <Play aria-hidden /> {isUnchanged ? "Queue runs" : "Save and queue"}
          </Button>
        </div>
        {rest && (
          <div className="w-full">
            <Failed error={rest} />
          </div>
        )}
      </Card>
      <ConfigEditor schema={p.schema} draft={draft} offers={useOffers(p.projectId)} />
      <QueueDialog projectId={p.projectId} config={queued} close={() => setQueued(null)} />
    </div>
  );
}

/** A config's own words: of the full values that the server answers, those that were changed. */
const onlyChanged = (c: Config) =>
  Object.fromEntries(Object.entries(c.config).filter(([k]) => c.changed_fields.includes(k)));

export function ConfigPage() {
  const { id, config: configId } = useIds<"id" | "config">("/projects/:id/configs/:config");
  const [root] = useQueryState("root", "");
  const isNew = configId === "new";
  const schema = useQuery(configQueries.schema());
  const config = useQuery({ ...configQueries.one(configId), enabled: !!configId && !isNew });
  const trail = useProjectTrail(id);
  useTitle(isNew ? "New config" : config.data?.name);
  if (isMissing(config.error))
    return (
      <Missing
        error={config.error}
        back={{ href: `/projects/${id}/configs`, label: "All configs of the project" }}
      />
    );
  const error = schema.error ?? config.error;
  const isReady = schema.data && (isNew || config.data);
  return (
    <>
      <PageHeader
        title={
          isNew ? "New config" : (config.data?.name ?? (error ? "Config" : <Skeleton className="h-6 w-40" />))
        }
        trail={[...trail, { href: `/projects/${id}/configs`, label: "Configs" }]}
      />
      {error && (
        <Failed error={error} retry={() => void (schema.error ? schema.refetch() : config.refetch())} />
      )}
      {!isReady && !error && <Skeleton className="mx-6 h-96" />}
      {isReady && (
        <Editor
          key={configId}
          projectId={id}
          config={config.data ?? null}
          start={config.data ? onlyChanged(config.data) : root ? { root } : {}}
          schema={schema.data as unknown as Schema}
        />
      )}
    </>
  );
}
