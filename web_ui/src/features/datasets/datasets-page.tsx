"use client";
import { useQuery } from "@tanstack/react-query";
import { Database, Plus } from "lucide-react";
import { useState } from "react";
import { PageHeader } from "@/components/page-header";
import { Empty, isMissing, Loaded, Missing } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { SkeletonRows } from "@/components/ui/skeleton";
import { Table, Td, Th } from "@/components/ui/table";
import { RegisterDataset } from "@/features/datasets/register-dataset";
import { ScanState } from "@/features/datasets/scan-state";
import { datasetQueries } from "@/lib/api/datasets";
import { projectQueries } from "@/lib/api/projects";
import { bytes, count } from "@/lib/format";
import { Link, useIds, useTitle } from "@/lib/nav";

export function DatasetsPage() {
  const { id } = useIds<"id">("/projects/:id/datasets");
  const project = useQuery(projectQueries.one(id));
  const datasets = useQuery(datasetQueries.ofProject(id));
  const [isNew, setNew] = useState(false);
  useTitle("Datasets");
  if (isMissing(project.error)) return <Missing error={project.error} />;
  const register = (
    <Button size="md" onClick={() => setNew(true)}>
      <Plus aria-hidden /> Register a dataset
    </Button>
  );
  return (
    <>
      <PageHeader
        title="Datasets"
        trail={[
          { href: "/", label: "Projects" },
          { href: `/projects/${id}`, label: project.data?.name },
        ]}
      >
        {register}
      </PageHeader>
      <div className="px-4 pb-6 md:px-6">
        <Card>
          <Loaded query={datasets} skeleton={<SkeletonRows rows={3} />}>
            {({ items }) =>
              items.length ? (
                <Table label="Datasets">
                  <thead>
                    <tr>
                      <Th>Name</Th>
                      <Th>Folder</Th>
                      <Th>Scan</Th>
                      <Th className="text-right">Classes</Th>
                      <Th className="text-right">Images</Th>
                      <Th className="text-right">Size</Th>
                      <Th className="text-right">Problems</Th>
                    </tr>
                  </thead>
                  <tbody>
                    {items.map((d) => (
                      <tr key={d.id} className="hover:bg-accent/50">
                        <Td>
                          <Link
                            className="font-medium hover:underline"
                            href={`/projects/${id}/datasets/${d.id}`}
                          >
                            {d.name}
                          </Link>
                        </Td>
                        <Td className="max-w-72 truncate font-mono text-muted-foreground text-xs">
                          {d.root}
                        </Td>
                        <Td className="min-w-40">
                          <ScanState dataset={d} />
                        </Td>
                        <Td className="num text-right">{d.scanned_at ? count(d.num_classes) : "–"}</Td>
                        <Td className="num text-right">{d.scanned_at ? count(d.num_images) : "–"}</Td>
                        <Td className="num whitespace-nowrap text-right">
                          {d.scanned_at ? bytes(d.size_bytes) : "–"}
                        </Td>
                        <Td className="num text-right">
                          {d.scan.state === "done" ? d.problems.length : "–"}
                        </Td>
                      </tr>
                    ))}
                  </tbody>
                </Table>
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
