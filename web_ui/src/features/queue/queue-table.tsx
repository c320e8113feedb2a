"use client";
import { useQueryClient } from "@tanstack/react-query";
import { ArrowDown, ArrowUp, GripVertical } from "lucide-react";
import { useState } from "react";
import { RunLink } from "@/components/run-link";
import { Button } from "@/components/ui/button";
import { Table, Td, Th } from "@/components/ui/table";
import { When } from "@/components/when";
import { moved, stepTarget } from "@/features/queue/order";
import { clusterQueries, moveRun, type Queue, type QueueItem } from "@/lib/api/cluster";
import { useAct } from "@/lib/api/mutation";
import { cn } from "@/lib/cn";
import { duration } from "@/lib/format";
import { Link } from "@/lib/nav";

/** Shows the new order at once; the server's answer, or its refusal, settles it. */
function useMove() {
  const client = useQueryClient();
  const key = clusterQueries.queue().queryKey;
  const act = useAct(moveRun, { changes: [["queue"]] });
  return (runId: string, beforeRunId: string | null) => {
    const old = client.getQueryData<Queue>(key);
    if (!old) return;
    const order = moved(
      old.items.map((i) => i.run_id),
      runId,
      beforeRunId,
    );
    client.setQueryData<Queue>(key, {
      ...old,
      items: order.flatMap((id) => old.items.find((i) => i.run_id === id) ?? []),
    });
    act.mutate({ runId, beforeRunId }, { onError: () => void client.invalidateQueries({ queryKey: key }) });
  };
}

type RowProps = {
  item: QueueItem;
  index: number;
  isAt: boolean;
  ids: string[];
  dragged: string | null;
  setDragged: (id: string | null) => void;
  move: (id: string, before: string | null) => void;
};

function Row({ item: r, index, isAt, ids, dragged, setDragged, move }: RowProps) {
  const [isOver, setOver] = useState(false);
  const step = (d: -1 | 1) => {
    const target = stepTarget(ids, index, d);
    if (target !== undefined) move(r.run_id, target);
  };
  return (
    <tr
      aria-current={isAt || undefined}
      draggable
      onDragStart={() => setDragged(r.run_id)}
      onDragEnd={() => setDragged(null)}
      onDragOver={(e) => {
        e.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={() => {
        setOver(false);
        if (dragged && dragged !== r.run_id) move(dragged, r.run_id);
      }}
      className={cn(
        isAt ? "bg-accent/60" : "hover:bg-accent/50",
        dragged === r.run_id && "opacity-50",
        isOver && dragged && "[&>td]:border-t-2 [&>td]:border-t-primary",
      )}
    >
      <Td className="w-24 whitespace-nowrap">
        <span className="flex items-center">
          <GripVertical aria-hidden className="size-4 cursor-grab text-muted-foreground" />
          <Button
            variant="ghost"
            size="icon"
            aria-label={`${r.name} earlier`}
            disabled={index === 0}
            onClick={() => step(-1)}
          >
            <ArrowUp aria-hidden />
          </Button>
          <Button
            variant="ghost"
            size="icon"
            aria-label={`${r.name} later`}
            disabled={index === ids.length - 1}
            onClick={() => step(1)}
          >
            <ArrowDown aria-hidden />
          </Button>
        </span>
      </Td>
      <Td className="num text-right">{index + 1}</Td>
      <Td className="max-w-48 truncate md:max-w-72">
        <RunLink runId={r.run_id} name={r.name} projectId={r.project_id} />
      </Td>
      <Td className="max-w-40 truncate">
        <Link className="hover:underline" href={`/projects/${r.project_id}`}>
          {r.project_name}
        </Link>
      </Td>
      <Td className="min-w-40 text-muted-foreground text-xs">{r.wait_reason || "–"}</Td>
      <Td className="num whitespace-nowrap text-right">
        {r.starts_in_s == null ? "unknown" : `about ${duration(r.starts_in_s)}`}
      </Td>
      <Td className="num text-right">{r.gpus ?? "–"}</Td>
      <Td className="num text-right">{r.priority}</Td>
      <Td>{r.owner ?? "–"}</Td>
      <Td className="whitespace-nowrap text-right text-muted-foreground">
        <When at={r.queued_at} />
      </Td>
    </tr>
  );
}

/** `at` is the row that is marked. */
export function QueueTable({ items, at }: { items: QueueItem[]; at: number }) {
  const [dragged, setDragged] = useState<string | null>(null);
  const move = useMove();
  const ids = items.map((i) => i.run_id);
  return (
    <Table label="Waiting runs">
      <thead>
        <tr>
          <Th>
            <span className="sr-only">Move</span>
          </Th>
          <Th className="text-right">#</Th>
          <Th>Run</Th>
          <Th>Project</Th>
          <Th>Why it waits</Th>
          <Th className="text-right">Starts in</Th>
          <Th className="text-right">GPUs</Th>
          <Th className="text-right">Priority</Th>
          <Th>Owner</Th>
          <Th className="text-right">Queued</Th>
        </tr>
      </thead>
      <tbody>
        {items.map((item, index) => (
          <Row
            key={item.run_id}
            item={item}
            index={index}
            isAt={index === at}
            ids={ids}
            dragged={dragged}
            setDragged={setDragged}
            move={move}
          />
        ))}
      </tbody>
    </Table>
  );
}
