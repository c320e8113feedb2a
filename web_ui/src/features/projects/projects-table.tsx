"use client";
import { useState } from "react";
import { Sparkline } from "@/components/charts/sparkline";
import { Table, Td, Th } from "@/components/ui/table";
import { When } from "@/components/when";
import type { Project } from "@/lib/api/projects";
import { cn } from "@/lib/cn";
import { count, metric } from "@/lib/format";
import { useKey } from "@/lib/keys";
import { Link, useGo } from "@/lib/nav";

const LIVE = ["submitting", "starting", "running", "stopping"];
const sum = (p: Project, states: string[]) => states.reduce((n, s) => n + (p.num_runs_by_state[s] ?? 0), 0);

function Best({ best }: { best: Project["best"] }) {
  if (!best) return <span className="text-muted-foreground">–</span>;
  return (
    <span title={`${best.metric} of ${best.run_name}`}>
      {metric(best.value)} <span className="text-muted-foreground text-xs">{best.metric}</span>
    </span>
  );
}

function Row({ project: p, isAt }: { project: Project; isAt: boolean }) {
  const [running, queued, failed] = [sum(p, LIVE), sum(p, ["queued"]), sum(p, ["failed"])];
  return (
    <tr aria-current={isAt || undefined} className={cn("hover:bg-accent/50", isAt && "bg-accent/60")}>
      <Td className="min-w-40 max-w-80">
        <Link className="block truncate font-medium hover:underline" href={`/projects/${p.id}`}>
          {p.name}
        </Link>
        {p.description && (
          <span className="block truncate text-muted-foreground text-xs">{p.description}</span>
        )}
      </Td>
      <Td className="num text-right">{count(p.num_runs)}</Td>
      <Td className="num whitespace-nowrap text-muted-foreground text-xs">
        {running > 0 && <span className="text-live">{running} running </span>}
        {queued > 0 && <span>{queued} queued </span>}
        {failed > 0 && <span className="text-bad">{failed} failed</span>}
      </Td>
      <Td className="num whitespace-nowrap">
        <Best best={p.best ?? null} />
      </Td>
      <Td>
        <Sparkline values={p.recent_best} label={`Best values of the last ${p.recent_best.length} runs`} />
      </Td>
      <Td className="whitespace-nowrap text-right text-muted-foreground">
        <When at={p.updated_at} />
      </Td>
    </tr>
  );
}

export function ProjectsTable({ projects }: { projects: Project[] }) {
  const go = useGo();
  const [at, setAt] = useState(-1);
  useKey("j", "Next row", () => setAt(Math.min(projects.length - 1, at + 1)));
  useKey("k", "Row before", () => setAt(Math.max(0, at - 1)));
  useKey("Enter", "Open the row", () => projects[at] && go(`/projects/${projects[at].id}`));
  return (
    <Table label="Projects">
      <thead>
        <tr>
          <Th>Project</Th>
          <Th className="text-right">Runs</Th>
          <Th>Now</Th>
          <Th>Best</Th>
          <Th>Last runs</Th>
          <Th className="text-right">Changed</Th>
        </tr>
      </thead>
      <tbody>
        {projects.map((p, i) => (
          <Row key={p.id} project={p} isAt={i === at} />
        ))}
      </tbody>
    </Table>
  );
}
