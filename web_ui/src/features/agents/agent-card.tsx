"use client";
import { useQuery } from "@tanstack/react-query";
import { CircleCheck, CircleOff, CirclePause } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Meter } from "@/components/ui/meter";
import { When } from "@/components/when";
import { GpuTile } from "@/features/agents/gpu-tile";
import { type Agent, clusterQueries, drainAgent } from "@/lib/api/cluster";
import { useAct } from "@/lib/api/mutation";
import { bytes } from "@/lib/format";

function AgentState({ agent: a }: { agent: Agent }) {
  if (a.state === "gone")
    return (
      <span className="inline-flex items-center gap-1 text-bad">
        <CircleOff aria-hidden className="size-3.5" /> gone, last seen <When at={a.last_seen_at} />
      </span>
    );
  if (a.is_draining)
    return (
      <span className="inline-flex items-center gap-1 text-warn">
        <CirclePause aria-hidden className="size-3.5" /> draining: starts nothing new
      </span>
    );
  return (
    <span className="inline-flex items-center gap-1 text-ok">
      <CircleCheck aria-hidden className="size-3.5" /> alive
    </span>
  );
}

function Use({ name, text, share }: { name: string; text: string; share: number | null }) {
  return (
    <div className="min-w-32 flex-1">
      <div className="flex justify-between gap-2 text-xs">
        <span className="text-muted-foreground">{name}</span>
        <span className="num whitespace-nowrap">{text}</span>
      </div>
      {share != null && <Meter share={share} label={name} isHigh={share > 0.95} className="mt-1" />}
    </div>
  );
}

function Machine({ agent: a }: { agent: Agent }) {
  return (
    <div className="flex flex-wrap gap-x-6 gap-y-2 px-3 py-2.5">
      <Use
        name={`CPU (${a.num_cpus})`}
        text={a.cpu_percent == null ? "–" : `${a.cpu_percent.toFixed(0)}%`}
        share={a.cpu_percent == null ? null : a.cpu_percent / 100}
      />
      <Use
        name="Memory"
        text={`${bytes(a.memory_used_bytes)} of ${bytes(a.memory_bytes)}`}
        share={a.memory_used_bytes == null || !a.memory_bytes ? null : a.memory_used_bytes / a.memory_bytes}
      />
      <Use name="Disk free" text={bytes(a.disk_free_bytes)} share={null} />
      <Use name="Shared memory" text={bytes(a.shm_bytes)} share={null} />
    </div>
  );
}

export function AgentCard({ agent: a }: { agent: Agent }) {
  const isAlive = a.state === "alive";
  const history = useQuery({ ...clusterQueries.history(a.id), enabled: isAlive && a.gpus.length > 0 });
  const drain = useAct(drainAgent, {
    done: (_, { isOn }) => (isOn ? `${a.name} drains` : `${a.name} takes runs again`),
    changes: [["agents"]],
  });
  return (
    <Card className="overflow-hidden">
      <CardHeader title={a.name} hint={<AgentState agent={a} />}>
        <span className="num text-muted-foreground text-xs">{a.address}</span>
        {isAlive && (
          <Button
            variant="outline"
            disabled={drain.isPending}
            title={a.is_draining ? "Let it take runs again" : "Let what runs finish, start nothing new"}
            onClick={() => drain.mutate({ id: a.id, isOn: !a.is_draining })}
          >
            {a.is_draining ? "Use again" : "Drain"}
          </Button>
        )}
      </CardHeader>
      {/* What a machine that is gone did last says nothing: it is hidden, not shown as 0%. */}
      {isAlive && (
        <>
          <Machine agent={a} />
          {a.gpus.length > 0 && (
            <div className="grid gap-px border-t bg-border sm:grid-cols-2 xl:grid-cols-4">
              {a.gpus.map((g) => (
                <GpuTile
                  key={g.uuid}
                  gpu={g}
                  runs={a.runs}
                  recent={history.data?.gpus[g.uuid]?.utilization_percent ?? []}
                />
              ))}
            </div>
          )}
          {a.gpus.length === 0 && (
            <p className="border-t px-3 py-2 text-muted-foreground">No GPU: runs train on its CPUs.</p>
          )}
        </>
      )}
    </Card>
  );
}
