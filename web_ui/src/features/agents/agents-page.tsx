"use client";
import { useQuery } from "@tanstack/react-query";
import { Server } from "lucide-react";
import { ClusterDown } from "@/components/cluster-down";
import { PageHeader } from "@/components/page-header";
import { Empty, Loaded } from "@/components/states";
import { Card } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { AgentCard } from "@/features/agents/agent-card";
import { clusterQueries } from "@/lib/api/cluster";
import { plural } from "@/lib/format";
import { useLiveAgents } from "@/lib/live/cache";
import { useTitle } from "@/lib/nav";

export function AgentsPage() {
  const agents = useQuery(clusterQueries.agents());
  useLiveAgents();
  useTitle("Agents & GPUs");
  const alive = agents.data?.items.filter((a) => a.state === "alive") ?? [];
  const gpus = alive.flatMap((a) => a.gpus);
  return (
    <>
      <PageHeader
        title="Agents & GPUs"
        meta={
          agents.data && (
            <p className="text-muted-foreground">
              {plural(alive.length, "machine")}, {plural(gpus.length, "GPU")},{" "}
              {gpus.filter((g) => g.state === "free").length} free
            </p>
          )
        }
      />
      <ClusterDown />
      <div className="flex flex-col gap-4 px-4 pb-6 md:px-6">
        <Loaded query={agents} skeleton={<Skeleton className="h-56" />}>
          {({ items }) =>
            items.length ? (
              [...items]
                .sort((a, b) => Number(a.state === "gone") - Number(b.state === "gone"))
                .map((a) => <AgentCard key={a.id} agent={a} />)
            ) : (
              <Card>
                <Empty title="No machine has registered yet." icon={<Server />}>
                  <span>
                    Machines register by themselves a few seconds after{" "}
                    <code className="font-mono">utp up</code>.
                  </span>
                </Empty>
              </Card>
            )
          }
        </Loaded>
      </div>
    </>
  );
}
