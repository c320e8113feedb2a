"use client";
import { useQuery } from "@tanstack/react-query";
import { GitCompare } from "lucide-react";
import { useMemo } from "react";
import { PageHeader } from "@/components/page-header";
import { useProjectTrail } from "@/components/project-trail";
import { Empty, isMissing, Loaded, Missing } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { SkeletonRows } from "@/components/ui/skeleton";
import { Tabs, TabsContent, TabsList, TabsTrigger } from "@/components/ui/tabs";
import { CompareCurves } from "@/features/compare/compare-curves";
import { ImageDiffTab } from "@/features/compare/image-diff";
import { DiffTable, MetricTable, SeedTable } from "@/features/compare/tables";
import { runQueries } from "@/lib/api/runs";
import { Link, useIds, useQueryState, useTitle } from "@/lib/nav";

const TABS = [
  ["metrics", "Metrics"],
  ["curves", "Curves"],
  ["images", "Images"],
] as const;

export function ComparePage() {
  const { id } = useIds<"id">("/projects/:id/compare");
  const [text] = useQueryState("runs", "");
  const [tab, setTab] = useQueryState("tab", "metrics");
  const ids = useMemo(() => text.split(",").filter(Boolean), [text]);
  const trail = useProjectTrail(id);
  const comparison = useQuery({ ...runQueries.comparison(ids), enabled: ids.length >= 2 });
  useTitle("Compare");
  const back = { href: `/projects/${id}`, label: "All runs of the project" };
  if (isMissing(comparison.error)) return <Missing error={comparison.error} back={back} />;
  return (
    <>
      <PageHeader title={ids.length >= 2 ? `Compare ${ids.length} runs` : "Compare"} trail={trail} />
      <div className="px-4 pb-6 md:px-6">
        {ids.length < 2 ? (
          <Card>
            <Empty title="Two to twenty runs can be compared." icon={<GitCompare />}>
              Select them in the table of runs, then press c.
              <Button variant="outline" asChild>
                <Link href={back.href}>Choose runs</Link>
              </Button>
            </Empty>
          </Card>
        ) : (
          <Loaded query={comparison} skeleton={<SkeletonRows rows={8} />}>
            {(c) => (
              <Tabs value={tab} onValueChange={setTab}>
                <TabsList>
                  {TABS.map(([value, label]) => (
                    <TabsTrigger key={value} value={value}>
                      {label}
                    </TabsTrigger>
                  ))}
                </TabsList>
                <TabsContent value="metrics" className="flex flex-col gap-4">
                  <MetricTable comparison={c} projectId={id} />
                  <SeedTable comparison={c} />
                  <DiffTable comparison={c} />
                </TabsContent>
                <TabsContent value="curves">
                  <CompareCurves runs={c.runs} />
                </TabsContent>
                <TabsContent value="images">
                  <ImageDiffTab runs={c.runs} />
                </TabsContent>
              </Tabs>
            )}
          </Loaded>
        )}
      </div>
    </>
  );
}
