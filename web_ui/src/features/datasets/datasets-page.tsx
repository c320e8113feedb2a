"use client";
import { useQuery } from "@tanstack/react-query";
import { Database, Plus } from "lucide-react";
import { useState } from "react";
import { PageHeader } from "@/components/page-header";
import { useProjectTrail } from "@/components/project-trail";
import { Empty, isMissing, Loaded, Missing } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { SkeletonRows } from "@/components/ui/skeleton";
import { DatasetsTable } from "@/features/datasets/datasets-table";
import { RegisterDataset } from "@/features/datasets/register-dataset";
import { datasetQueries } from "@/lib/api/datasets";
import { projectQueries } from "@/lib/api/projects";
import { useKey } from "@/lib/keys";
import { useIds, useTitle } from "@/lib/nav";

export function DatasetsPage() {
  const { id } = useIds<"id">("/projects/:id/datasets");
  const project = useQuery(projectQueries.one(id));
  const trail = useProjectTrail(id);
  const datasets = useQuery(datasetQueries.ofProject(id));
  const [isNew, setNew] = useState(false);
  useTitle("Datasets");
  useKey("n", "Register a dataset", () => setNew(true));
  if (isMissing(project.error)) return <Missing error={project.error} />;
  const register = (
    <Button size="md" onClick={() => setNew(true)}>
      <Plus aria-hidden /> Register a dataset
    </Button>
  );
  return (
    <>
      <PageHeader title="Datasets" trail={trail}>
        {register}
      </PageHeader>
      <div className="px-4 pb-6 md:px-6">
        <Card>
          <Loaded query={datasets} skeleton={<SkeletonRows rows={3} />}>
            {({ items }) =>
              items.length ? (
                <DatasetsTable datasets={items} projectId={id} />
              ) : (
                <Empty title="No dataset is registered yet." icon={<Database />}>
                  A dataset is a folder with train, val and perhaps test, a folder per class in each.{" "}
                  {register}
                </Empty>
              )
            }
          </Loaded>
        </Card>
      </div>
      <RegisterDataset projectId={id} open={isNew} setOpen={setNew} />
    </>
  );
}
