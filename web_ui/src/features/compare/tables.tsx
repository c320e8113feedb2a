import { Star } from "lucide-react";
import { StateBadge } from "@/components/state-badge";
import { Empty } from "@/components/states";
import { Card, CardHeader } from "@/components/ui/card";
import { Table, Td, Th } from "@/components/ui/table";
import type { Schemas } from "@/lib/api/client";
import { cn } from "@/lib/cn";
import { seriesColor } from "@/lib/curves";
import { metric, plain, plural } from "@/lib/format";
import { Link } from "@/lib/nav";

type Comparison = Schemas["Comparison"];
type Run = Comparison["runs"][number];

function RunHeads({ runs, projectId }: { runs: Run[]; projectId?: string }) {
  return runs.map((r, i) => (
    <Th key={r.id} className="min-w-32 max-w-52 text-right">
      <span className="flex items-center justify-end gap-1.5">
        <span aria-hidden className="size-2 shrink-0 rounded-full" style={{ background: seriesColor(i) }} />
        {projectId ? (
          <Link
            className="truncate text-foreground hover:underline"
            title={r.name}
            href={`/projects/${projectId}/runs/${r.id}`}
          >
            {r.name}
          </Link>
        ) : (
          <span className="truncate" title={r.name}>
            {r.name}
          </span>
        )}
      </span>
    </Th>
  ));
}

export function MetricTable({ comparison: c, projectId }: { comparison: Comparison; projectId: string }) {
  return (
    <Card>
      <CardHeader title="Metrics" hint="of each run's best epoch; the best of all is marked" />
      <Table label="Metrics of the runs">
        <thead>
          <tr>
            <Th>Metric</Th>
            <RunHeads runs={c.runs} projectId={projectId} />
          </tr>
        </thead>
        <tbody>
          <tr>
            <Td className="text-muted-foreground">state</Td>
            {c.runs.map((r) => (
              <Td key={r.id} className="text-right">
                <StateBadge run={r} />
              </Td>
            ))}
          </tr>
          {c.metrics.map((row) => (
            <tr key={row.metric}>
              <Td className="whitespace-nowrap">{row.metric}</Td>
              {row.values.map((v, i) => (
                <Td
                  key={c.runs[i]?.id}
                  className={cn("num text-right", i === row.best_index && "font-semibold text-ok")}
                >
                  {i === row.best_index && <Star aria-label="best" className="mr-1 inline size-3" />}
                  {metric(v)}
                </Td>
              ))}
            </tr>
          ))}
        </tbody>
      </Table>
    </Card>
  );
}

/** Runs that differ in the seed alone, as mean and sample standard deviation: a gain within it is none yet. */
export function SeedTable({ comparison: c }: { comparison: Comparison }) {
  if (!c.seed_groups.length) return null;
  const metrics = [...new Set(c.seed_groups.flatMap((g) => Object.keys(g.metric)))];
  return (
    <Card>
      <CardHeader
        title="Over seeds"
        hint="runs that differ in nothing but the seed: mean ± standard deviation"
      />
      <Table label="Runs over seeds">
        <thead>
          <tr>
            <Th>Config</Th>
            <Th className="text-right">Seeds</Th>
            {metrics.map((m) => (
              <Th key={m} className="text-right">
                {m}
              </Th>
            ))}
          </tr>
        </thead>
        <tbody>
          {c.seed_groups.map((g) => (
            <tr key={g.run_ids.join()}>
              <Td
                className="max-w-96 truncate"
                title={g.run_ids.map((id) => c.runs.find((r) => r.id === id)?.name).join(", ")}
              >
                {c.runs.find((r) => r.id === g.run_ids[0])?.name ?? g.config_key}
              </Td>
              <Td className="num text-right">{g.run_ids.length}</Td>
              {metrics.map((m) => {
                const s = g.metric[m];
                return (
                  <Td key={m} className="num whitespace-nowrap text-right" title={s && plural(s.n, "value")}>
                    {s ? `${metric(s.mean)}${s.sd == null ? "" : ` ± ${metric(s.sd)}`}` : "–"}
                  </Td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </Table>
    </Card>
  );
}

export function DiffTable({ comparison: c }: { comparison: Comparison }) {
  return (
    <Card>
      <CardHeader title="Config" hint="only what differs" />
      {c.config_diff.length ? (
        <Table label="Differences of the configs">
          <thead>
            <tr>
              <Th>Field</Th>
              <RunHeads runs={c.runs} />
            </tr>
          </thead>
          <tbody className="font-mono text-xs">
            {c.config_diff.map((row) => (
              <tr key={row.field}>
                <Td className="whitespace-nowrap">{row.field}</Td>
                {row.values.map((v, i) => (
                  <Td key={c.runs[i]?.id} className="max-w-52 break-words text-right">
                    {plain(v)}
                  </Td>
                ))}
              </tr>
            ))}
          </tbody>
        </Table>
      ) : (
        <Empty title="The configs say the same." />
      )}
    </Card>
  );
}
