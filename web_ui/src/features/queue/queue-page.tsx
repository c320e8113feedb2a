"use client";
import { useQuery } from "@tanstack/react-query";
import { ListOrdered } from "lucide-react";
import { ClusterDown } from "@/components/cluster-down";
import { PageHeader } from "@/components/page-header";
import { RunLink } from "@/components/run-link";
import { stateLabel } from "@/components/state-badge";
import { Empty, Loaded } from "@/components/states";
import { Card, CardHeader } from "@/components/ui/card";
import { Meter } from "@/components/ui/meter";
import { SkeletonRows } from "@/components/ui/skeleton";
import { Table, Td, Th } from "@/components/ui/table";
import { When } from "@/components/when";
import { QueueTable } from "@/features/queue/queue-table";
import { clusterQueries, type Queue } from "@/lib/api/cluster";
import { useLiveQueue } from "@/lib/live/cache";
import { Link, useGo, useTitle } from "@/lib/nav";
import { rowProps, useRowKeys } from "@/lib/use-row-keys";

function ActiveTable({ active, at }: Pick<Queue, "active"> & { at: number }) {
  return (
    <Table label="Active runs">
      <thead>
        <tr>
          <Th>Run</Th>
          <Th>Project</Th>
          <Th>State</Th>
          <Th>Progress</Th>
          <Th>Machine</Th>
          <Th className="text-right">GPUs</Th>
          <Th>Owner</Th>
          <Th className="text-right">Began</Th>
        </tr>
      </thead>
      <tbody>
        {active.map((r, i) => (
          <tr key={r.run_id} {...rowProps(i === at)}>
            <Td className="max-w-72 truncate">
              <RunLink runId={r.run_id} name={r.name} projectId={r.project_id} />
            </Td>
            <Td className="max-w-40 truncate">
              <Link className="hover:underline" href={`/projects/${r.project_id}`}>
                {r.project_name}
              </Link>
            </Td>
            <Td>{stateLabel(r.state)}</Td>
            <Td>
              {r.total_steps ? (
                <Meter share={r.step / r.total_steps} label={`Progress of ${r.name}`} className="w-24" />
              ) : (
                "–"
              )}
            </Td>
            <Td className="max-w-40 truncate">{r.hosts.join(", ") || "–"}</Td>
            <Td className="num text-right">{r.num_gpus}</Td>
            <Td>{r.owner ?? "–"}</Td>
            <Td className="whitespace-nowrap text-right text-muted-foreground">
              <When at={r.started_at} />
            </Td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

export function QueuePage() {
  const queue = useQuery(clusterQueries.queue());
  const go = useGo();
  const waiting = queue.data?.items ?? [];
  const rows = [...waiting, ...(queue.data?.active ?? [])];
  const at = useRowKeys(rows.length, (i) => go(`/projects/${rows[i]?.project_id}/runs/${rows[i]?.run_id}`));
  useLiveQueue();
  useTitle("Queue");
  return (
    <>
      <PageHeader
        title="Queue"
        meta={
          queue.data && (
            <p className="num text-muted-foreground">
              {queue.data.items.length} waiting, {queue.data.active.length} active, {queue.data.free_gpus} of{" "}
              {queue.data.total_gpus} GPUs free
            </p>
          )
        }
      />
      <ClusterDown />
      <div className="flex flex-col gap-4 px-4 pb-6 md:px-6">
        <Card>
          <CardHeader title="Waiting" hint="drag, or use the arrows, to reorder" />
          <Loaded query={queue} skeleton={<SkeletonRows rows={4} />}>
            {(q) =>
              q.items.length ? (
                <QueueTable items={q.items} at={at} />
              ) : (
                <Empty title="Nothing waits." icon={<ListOrdered />}>
                  Queue runs from a config of a project.
                </Empty>
              )
            }
          </Loaded>
        </Card>
        {!!queue.data?.active.length && (
          <Card>
            <CardHeader title="Active" />
            <ActiveTable active={queue.data.active} at={at - waiting.length} />
          </Card>
        )}
      </div>
    </>
  );
}
