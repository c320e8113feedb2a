"use client";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { CopyButton } from "@/components/copy-button";
import { Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Checkbox } from "@/components/ui/controls";
import { Skeleton } from "@/components/ui/skeleton";
import { type RunDetail, runQueries } from "@/lib/api/runs";
import { cn } from "@/lib/cn";
import { plain } from "@/lib/format";
import { Link } from "@/lib/nav";

function Values({ values, marked }: { values: [string, unknown][]; marked?: Set<string> }) {
  return (
    <dl className="grid grid-cols-[minmax(0,2fr)_minmax(0,3fr)] gap-x-4 gap-y-0.5 p-3 font-mono text-xs">
      {values.map(([k, v]) => (
        <div key={k} className="contents">
          <dt
            className={cn("break-all text-muted-foreground", marked?.has(k) && "font-semibold text-primary")}
          >
            {k}
          </dt>
          <dd className="break-all">{plain(v)}</dd>
        </div>
      ))}
    </dl>
  );
}

function ConfigCard({ run }: { run: RunDetail }) {
  const [isAll, setAll] = useState(false);
  const changed = new Set(run.config_changed_fields);
  const shown = Object.entries(run.config).filter(([k]) => isAll || changed.has(k));
  return (
    <Card>
      <CardHeader title="Config" hint="changed from the defaults in colour">
        <label className="flex cursor-pointer items-center gap-1.5 text-muted-foreground text-xs">
          <Checkbox checked={isAll} onChange={(e) => setAll(e.target.checked)} /> all fields
        </label>
        <CopyButton text={() => JSON.stringify(run.config, null, 2)}>Copy JSON</CopyButton>
        {run.config_id && (
          <Button variant="ghost" asChild>
            <Link href={`/projects/${run.project_id}/configs/${run.config_id}`}>Open</Link>
          </Button>
        )}
      </CardHeader>
      <Values values={shown} marked={changed} />
    </Card>
  );
}

/** Nested objects as dotted names: `packages.torch`. */
export function flat(value: unknown, prefix = ""): [string, unknown][] {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return [[prefix, value]];
  return Object.entries(value).flatMap(([k, v]) => flat(v, prefix ? `${prefix}.${k}` : k));
}

export function ConfigTab({ run }: { run: RunDetail }) {
  const environment = useQuery(runQueries.environment(run.id));
  return (
    <div className="grid items-start gap-4 xl:grid-cols-2">
      <ConfigCard run={run} />
      <div className="flex min-w-0 flex-col gap-4">
        <Card>
          <CardHeader title="Run this again">
            <CopyButton text={run.command} />
          </CardHeader>
          <pre className="whitespace-pre-wrap break-all p-3 font-mono text-xs">{run.command}</pre>
        </Card>
        {run.dataset && (
          <Card>
            <CardHeader title="Data">
              <Button variant="ghost" asChild>
                <Link href={`/projects/${run.project_id}/datasets/${run.dataset.id}`}>Open dataset</Link>
              </Button>
            </CardHeader>
            <Values values={[["fingerprint", run.dataset.fingerprint]]} />
          </Card>
        )}
        <Card>
          <CardHeader title="Environment" />
          <Loaded query={environment} skeleton={<Skeleton className="m-3 h-32" />}>
            {(env) => <Values values={flat(env)} />}
          </Loaded>
        </Card>
      </div>
    </div>
  );
}
