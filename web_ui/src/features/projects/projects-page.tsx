"use client";
import { useQuery } from "@tanstack/react-query";
import { FolderKanban, Plus } from "lucide-react";
import { useState } from "react";
import { PageHeader } from "@/components/page-header";
import { Empty, Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Input } from "@/components/ui/controls";
import { SkeletonRows } from "@/components/ui/skeleton";
import { NewProject } from "@/features/projects/new-project";
import { ProjectsTable } from "@/features/projects/projects-table";
import { projectQueries } from "@/lib/api/projects";
import { useKey } from "@/lib/keys";
import { useQueryState, useTitle } from "@/lib/nav";

export function ProjectsPage() {
  const projects = useQuery(projectQueries.list());
  const [filter, setFilter] = useQueryState("q", "", true);
  const [isNew, setNew] = useState(false);
  useTitle("Projects");
  useKey("n", "New project", () => setNew(true));
  const create = (
    <Button size="md" onClick={() => setNew(true)}>
      <Plus aria-hidden /> New project
    </Button>
  );
  return (
    <>
      <PageHeader title="Projects">
        <Input
          data-filter
          aria-label="Filter projects"
          placeholder="Filter  /"
          className="w-44"
          value={filter}
          onChange={(e) => setFilter(e.target.value)}
        />
        {create}
      </PageHeader>
      <div className="px-4 pb-6 md:px-6">
        <Card>
          <Loaded query={projects} skeleton={<SkeletonRows />}>
            {({ items }) => {
              const shown = items.filter((p) =>
                `${p.name} ${p.description}`.toLowerCase().includes(filter.toLowerCase()),
              );
              if (shown.length) return <ProjectsTable projects={shown} />;
              return items.length ? (
                <Empty title={`No project is called “${filter}”.`}>
                  <Button variant="outline" onClick={() => setFilter("")}>
                    Show all
                  </Button>
                </Empty>
              ) : (
                <Empty title="There are no projects yet." icon={<FolderKanban />}>
                  A project holds the runs, configs, datasets and models of one question. {create}
                </Empty>
              );
            }}
          </Loaded>
        </Card>
      </div>
      <NewProject open={isNew} setOpen={setNew} />
    </>
  );
}
