"use client";
import { useQuery } from "@tanstack/react-query";
import { Boxes } from "lucide-react";
import { PageHeader } from "@/components/page-header";
import { useProjectTrail } from "@/components/project-trail";
import { Empty, isMissing, Loaded, Missing } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { ModelCard } from "@/features/models/model-card";
import { modelQueries } from "@/lib/api/models";
import { projectQueries } from "@/lib/api/projects";
import { Link, useIds, useTitle } from "@/lib/nav";

export function ModelsPage() {
  const { id } = useIds<"id">("/projects/:id/models");
  const project = useQuery(projectQueries.one(id));
  const trail = useProjectTrail(id);
  const models = useQuery(modelQueries.ofProject(id));
  useTitle("Models");
  if (isMissing(project.error)) return <Missing error={project.error} />;
  return (
    <>
      <PageHeader title="Models" trail={trail} />
      <div className="flex flex-col gap-4 px-4 pb-6 md:px-6">
        <Loaded query={models} skeleton={<Skeleton className="h-48" />}>
          {({ items }) =>
            items.length ? (
              items.map((m) => <ModelCard key={m.id} model={m} projectId={id} />)
            ) : (
              <Card>
                <Empty title="No model is registered yet." icon={<Boxes />}>
                  Open a run, choose one of its checkpoints and register it.
                  <Button variant="outline" asChild>
                    <Link href={`/projects/${id}?sort=-best_value`}>Best runs</Link>
                  </Button>
                </Empty>
              </Card>
            )
          }
        </Loaded>
      </div>
    </>
  );
}
