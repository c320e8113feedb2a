"use client";
import { useState } from "react";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Menu, MenuItem } from "@/components/ui/menu";
import { Table, Td, Th } from "@/components/ui/table";
import { When } from "@/components/when";
import { ConfirmStage } from "@/features/models/confirm-stage";
import type { ModelVersion, RegisteredModel, Stage } from "@/lib/api/models";
import { metric } from "@/lib/format";
import { Link } from "@/lib/nav";

export const STAGES: Stage[] = ["none", "candidate", "production", "archived"];
const TONE = { none: "plain", candidate: "live", production: "ok", archived: "plain" } as const;

function History({ version: v }: { version: ModelVersion }) {
  const last = v.history.at(-1);
  if (!last) return <span className="text-muted-foreground">–</span>;
  const all = v.history.map((h) => `${h.at}: ${h.stage} by ${h.by ?? "?"}`).join("\n");
  return (
    <span className="whitespace-nowrap text-muted-foreground" title={all}>
      {last.by ?? "?"}, <When at={last.at} />
    </span>
  );
}

function VersionRow({
  v,
  projectId,
  metrics,
  change,
}: {
  v: ModelVersion;
  projectId: string;
  metrics: string[];
  change: (stage: Stage) => void;
}) {
  return (
    <tr className="hover:bg-accent/50">
      <Td className="num">v{v.version}</Td>
      <Td>
        <Menu
          trigger={
            <button
              type="button"
              aria-label={`Stage of version ${v.version}: ${v.stage}`}
              className="cursor-pointer"
            >
              <Badge tone={TONE[v.stage]}>{v.stage} ▾</Badge>
            </button>
          }
        >
          {STAGES.filter((s) => s !== v.stage).map((s) => (
            <MenuItem key={s} onSelect={() => change(s)}>
              {s}
            </MenuItem>
          ))}
        </Menu>
      </Td>
      {metrics.map((m) => (
        <Td key={m} className="num text-right">
          {metric(v.metrics?.[m])}
        </Td>
      ))}
      <Td className="max-w-72">
        <Link
          className="block truncate hover:underline"
          href={`/projects/${projectId}/runs/${v.run_id}`}
          title={v.run_name}
        >
          {v.run_name}
        </Link>
        <span className="block truncate font-mono text-muted-foreground text-xs">{v.checkpoint}</span>
      </Td>
      <Td
        className="whitespace-nowrap font-mono text-muted-foreground text-xs"
        title={v.dataset_fingerprint ?? undefined}
      >
        {v.dataset_fingerprint?.slice(0, 14) ?? "–"}
      </Td>
      <Td className="max-w-56 truncate">{v.note || "–"}</Td>
      <Td>
        <History version={v} />
      </Td>
    </tr>
  );
}

const MOST_METRICS = 3;

export function ModelCard({ model: m, projectId }: { model: RegisteredModel; projectId: string }) {
  const [asked, setAsked] = useState<{ version: ModelVersion; stage: Stage } | null>(null);
  const metrics = [...new Set(m.versions.flatMap((v) => Object.keys(v.metrics ?? {})))].slice(
    0,
    MOST_METRICS,
  );
  const versions = [...m.versions].sort((a, b) => b.version - a.version);
  return (
    <Card>
      <CardHeader title={m.name} hint={m.description}>
        {m.production_version != null && <Badge tone="ok">v{m.production_version} in production</Badge>}
      </CardHeader>
      {versions.length ? (
        <Table label={`Versions of ${m.name}`}>
          <thead>
            <tr>
              <Th>Version</Th>
              <Th>Stage</Th>
              {metrics.map((name) => (
                <Th key={name} className="text-right">
                  {name}
                </Th>
              ))}
              <Th>From</Th>
              <Th>Data</Th>
              <Th>Note</Th>
              <Th>Last change</Th>
            </tr>
          </thead>
          <tbody>
            {versions.map((v) => (
              <VersionRow
                key={v.version}
                v={v}
                projectId={projectId}
                metrics={metrics}
                change={(stage) => setAsked({ version: v, stage })}
              />
            ))}
          </tbody>
        </Table>
      ) : (
        <p className="p-3 text-muted-foreground">
          It has no version yet.{" "}
          <Button variant="ghost" asChild>
            <Link href={`/projects/${projectId}?sort=-best_value`}>Choose a run</Link>
          </Button>
        </p>
      )}
      <ConfirmStage model={m} asked={asked} close={() => setAsked(null)} />
    </Card>
  );
}
