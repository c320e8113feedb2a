"use client";
import { Copy, Play } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Checkbox } from "@/components/ui/controls";
import { Table, Td, Th } from "@/components/ui/table";
import { When } from "@/components/when";
import { type Config, cloneConfig } from "@/lib/api/configs";
import { useAct } from "@/lib/api/mutation";
import { plain } from "@/lib/format";
import { useKey } from "@/lib/keys";
import { Link, useGo } from "@/lib/nav";
import { rowProps, useRowKeys } from "@/lib/use-row-keys";

const MOST_SHOWN = 5;

/** A config's difference from the defaults in a line. */
function Changes({ config }: { config: Config }) {
  const shown = config.changed_fields.slice(0, MOST_SHOWN);
  const more = config.changed_fields.length - shown.length;
  return (
    <span className="flex flex-wrap gap-x-3 font-mono text-muted-foreground text-xs">
      {shown.map((f) => (
        <span key={f} className="max-w-60 truncate">
          {f}=<span className="text-foreground">{plain(config.config[f])}</span>
        </span>
      ))}
      {more > 0 && <span>and {more} more</span>}
    </span>
  );
}

export function ConfigsTable({
  projectId,
  configs,
  selected,
  toggle,
  queue,
}: {
  projectId: string;
  configs: Config[];
  selected: string[];
  toggle: (id: string) => void;
  queue: (c: Config) => void;
}) {
  const go = useGo();
  const clone = useAct(cloneConfig, {
    done: (c) => `Cloned as ${c.name}`,
    changes: [["projects", projectId, "configs"]],
    onDone: (c) => go(`/projects/${projectId}/configs/${c.id}`),
  });
  const at = useRowKeys(configs.length, (i) => go(`/projects/${projectId}/configs/${configs[i]?.id}`));
  useKey("x", "Select the row", () => configs[at] && toggle(configs[at].id));
  return (
    <Table label="Configs">
      <thead>
        <tr>
          <Th>
            <span className="sr-only">Select</span>
          </Th>
          <Th>Name</Th>
          <Th>Differs from the defaults in</Th>
          <Th className="text-right">Runs</Th>
          <Th>Changed</Th>
          <Th>
            <span className="sr-only">Actions</span>
          </Th>
        </tr>
      </thead>
      <tbody>
        {configs.map((c, i) => (
          <tr key={c.id} {...rowProps(i === at)}>
            <Td className="w-8">
              <Checkbox
                aria-label={`Select ${c.name}`}
                checked={selected.includes(c.id)}
                onChange={() => toggle(c.id)}
              />
            </Td>
            <Td className="min-w-40">
              <Link className="font-medium hover:underline" href={`/projects/${projectId}/configs/${c.id}`}>
                {c.name}
              </Link>
            </Td>
            <Td className="min-w-64">
              <Changes config={c} />
            </Td>
            <Td className="num text-right">{c.num_runs}</Td>
            <Td className="whitespace-nowrap text-muted-foreground">
              <When at={c.updated_at} />
            </Td>
            <Td className="whitespace-nowrap text-right">
              <Button
                variant="ghost"
                disabled={clone.isPending}
                onClick={() => clone.mutate({ id: c.id, name: `${c.name} copy` })}
              >
                <Copy aria-hidden /> Clone
              </Button>
              <Button variant="ghost" onClick={() => queue(c)}>
                <Play aria-hidden /> Queue
              </Button>
            </Td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
