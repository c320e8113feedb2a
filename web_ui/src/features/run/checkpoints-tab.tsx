"use client";
import { useQuery } from "@tanstack/react-query";
import { Boxes, Download, Save, Star } from "lucide-react";
import { useState } from "react";
import { Empty, Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Menu, MenuItem } from "@/components/ui/menu";
import { SkeletonRows } from "@/components/ui/skeleton";
import { Table, Td, Th } from "@/components/ui/table";
import { When } from "@/components/when";
import { RegisterModel } from "@/features/run/register-model";
import type { Schemas } from "@/lib/api/client";
import { fileQueries } from "@/lib/api/run-files";
import type { RunDetail } from "@/lib/api/runs";
import { bytes, metric } from "@/lib/format";

type Checkpoint = Schemas["Checkpoint"];

function Row({ c, register }: { c: Checkpoint; register: () => void }) {
  return (
    <tr className="hover:bg-accent/50">
      <Td className="whitespace-nowrap font-mono text-xs">
        {c.name} {c.is_best && <Star aria-label="best" className="inline size-3.5 text-warn" />}
      </Td>
      <Td className="num text-right">{c.epoch ?? "–"}</Td>
      <Td className="num text-right">{c.step}</Td>
      <Td className="num text-right" title={c.metric ?? undefined}>
        {metric(c.value)}
      </Td>
      <Td className="num text-right text-muted-foreground">{bytes(c.size_bytes)}</Td>
      <Td className="whitespace-nowrap text-muted-foreground">
        <When at={c.created_at} />
      </Td>
      <Td className="whitespace-nowrap text-right">
        <Button variant="ghost" onClick={register}>
          <Boxes aria-hidden /> Register
        </Button>
        <Menu
          trigger={
            <Button variant="ghost" aria-label={`Files of ${c.name}`}>
              <Download aria-hidden /> Files
            </Button>
          }
        >
          {c.files.map((f) => (
            <MenuItem key={f.name} asChild>
              <a href={f.url} download className="flex items-center gap-4">
                <span className="font-mono text-xs">{f.name}</span>
                <span className="num ml-auto text-muted-foreground text-xs">{bytes(f.size_bytes)}</span>
              </a>
            </MenuItem>
          ))}
        </Menu>
      </Td>
    </tr>
  );
}

export function CheckpointsTab({ run }: { run: RunDetail }) {
  const checkpoints = useQuery(fileQueries.checkpoints(run.id));
  const [chosen, setChosen] = useState<string | null>(null);
  return (
    <Card>
      <CardHeader title="Checkpoints" hint={<span className="font-mono">{run.checkpoint_dir}</span>} />
      <Loaded query={checkpoints} skeleton={<SkeletonRows rows={3} />}>
        {({ items }) =>
          items.length ? (
            <Table label="Checkpoints">
              <thead>
                <tr>
                  <Th>Name</Th>
                  <Th className="text-right">Epoch</Th>
                  <Th className="text-right">Step</Th>
                  <Th className="text-right">{items.find((c) => c.metric)?.metric ?? "Metric"}</Th>
                  <Th className="text-right">Size</Th>
                  <Th>Saved</Th>
                  <Th>
                    <span className="sr-only">Actions</span>
                  </Th>
                </tr>
              </thead>
              <tbody>
                {items.map((c) => (
                  <Row key={c.name} c={c} register={() => setChosen(c.name)} />
                ))}
              </tbody>
            </Table>
          ) : (
            <Empty title="Nothing was saved yet." icon={<Save />}>
              A checkpoint is saved at the end of each epoch, and when a run is stopped.
            </Empty>
          )
        }
      </Loaded>
      <RegisterModel run={run} checkpoint={chosen} close={() => setChosen(null)} />
    </Card>
  );
}
