"use client";
import { useQuery } from "@tanstack/react-query";
import { GitCompare, Plus, SlidersHorizontal } from "lucide-react";
import { useState } from "react";
import { PageHeader } from "@/components/page-header";
import { useProjectTrail } from "@/components/project-trail";
import { Empty, isMissing, Loaded, Missing } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Input } from "@/components/ui/controls";
import { SkeletonRows } from "@/components/ui/skeleton";
import { QueueDialog } from "@/features/config/queue-dialog";
import { ConfigDiff } from "@/features/configs/config-diff";
import { ConfigsTable } from "@/features/configs/configs-table";
import { type Config, configQueries } from "@/lib/api/configs";
import { projectQueries } from "@/lib/api/projects";
import { useKey } from "@/lib/keys";
import { Link, setQuery, useGo, useIds, useQueryState, useTitle } from "@/lib/nav";

export function ConfigsPage() {
  const { id } = useIds<"id">("/projects/:id/configs");
  const go = useGo();
  const project = useQuery(projectQueries.one(id));
  const trail = useProjectTrail(id);
  const configs = useQuery(configQueries.ofProject(id));
  const [filter, setFilter] = useQueryState("q", "", true);
  const [diff] = useQueryState("diff", "");
  const [selected, setSelected] = useState<string[]>([]);
  const [queued, setQueued] = useState<Config | null>(null);
  useTitle("Configs");
  useKey("n", "New config", () => go(`/projects/${id}/configs/new`));
  const toggle = (c: string) =>
    setSelected((s) => (s.includes(c) ? s.filter((x) => x !== c) : [...s, c].slice(-2)));
  if (isMissing(project.error)) return <Missing error={project.error} />;
  const create = (
    <Button size="md" asChild>
      <Link href={`/projects/${id}/configs/new`}>
        <Plus aria-hidden /> New config
      </Link>
    </Button>
  );
  const [a, b] = diff.split(",");
  return (
    <>
      <PageHeader title="Configs" trail={trail}>
        <Button
          variant="outline"
          size="md"
          disabled={selected.length !== 2}
          title="Select two"
          onClick={() => setQuery({ diff: selected.join(",") })}
        >
          <GitCompare aria-hidden /> Compare
        </Button>
        <Input
          data-filter
          aria-label="Filter configs"
          placeholder="Filter  /"
          className="w-44"
          value={filter}
          onChange={(e) => setFilter(e.target.value)}
        />
        {create}
      </PageHeader>
      <div className="px-4 pb-6 md:px-6">
        <Card>
          <Loaded query={configs} skeleton={<SkeletonRows />}>
            {({ items }) => {
              const shown = items.filter((c) => c.name.toLowerCase().includes(filter.toLowerCase()));
              return shown.length ? (
                <ConfigsTable
                  projectId={id}
                  configs={shown}
                  selected={selected}
                  toggle={toggle}
                  queue={setQueued}
                />
              ) : (
                <Empty
                  title={items.length ? `No config is called “${filter}”.` : "There are no configs yet."}
                  icon={<SlidersHorizontal />}
                >
                  A config says what to train, on what and how; runs are queued from it. {create}
                </Empty>
              );
            }}
          </Loaded>
        </Card>
      </div>
      {a && b && (
        <ConfigDiff a={a} b={b} configs={configs.data?.items ?? []} close={() => setQuery({ diff: null })} />
      )}
      <QueueDialog projectId={id} config={queued} close={() => setQueued(null)} />
    </>
  );
}
