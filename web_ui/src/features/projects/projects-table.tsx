"use client";
import { Sparkline } from "@/components/charts/sparkline";
import { Table, Td, Th } from "@/components/ui/table";
import { When } from "@/components/when";
import type { Project } from "@/lib/api/projects";
import { count, metric } from "@/lib/format";
import { Link, useGo } from "@/lib/nav";
import { rowProps, useRowKeys } from "@/lib/use-row-keys";

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
    <tr {...rowProps(isAt)}>
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
  const at = useRowKeys(projects.length, (i) => go(`/projects/${projects[i]?.id}`));
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
