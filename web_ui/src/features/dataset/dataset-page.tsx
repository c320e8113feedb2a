"use client";
import { useQuery } from "@tanstack/react-query";
import { Play, RefreshCw } from "lucide-react";
import { type Fact, FactList } from "@/components/fact-list";
import { PageHeader } from "@/components/page-header";
import { useProjectTrail } from "@/components/project-trail";
import { Empty, Failed, isMissing, Missing } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { ClassBalance } from "@/features/dataset/class-balance";
import { Problems } from "@/features/dataset/problems";
import { Samples } from "@/features/dataset/samples";
import { ScanState } from "@/features/datasets/scan-state";
import { type Dataset, datasetQueries, scanDataset } from "@/lib/api/datasets";
import { useAct } from "@/lib/api/mutation";
import { bytes, count, plural } from "@/lib/format";
import { Link, useIds, useTitle } from "@/lib/nav";

const factsOf = (d: Dataset): Fact[] => [
  { name: "Classes", value: count(d.num_classes) },
  ...d.splits.map((s) => ({ name: s.name, value: count(s.num_images), hint: bytes(s.size_bytes) })),
  { name: "Size", value: bytes(d.size_bytes) },
  { name: "Versions", value: String(d.versions.length) },
];

function Body({ dataset: d }: { dataset: Dataset }) {
  if (d.scan.state === "running")
    return (
      <Card>
        <Empty title={`${plural(d.scan.num_seen, "image")} seen so far.`}>
          Classes, problems and images appear when the scan is done.
        </Empty>
      </Card>
    );
  if (d.scan.state !== "done" && d.num_images == null)
    return (
      <Card>
        <Empty
          title={
            d.scan.state === "failed" ? (d.scan.message ?? "The scan failed.") : "It was not scanned yet."
          }
        >
          Mend the folder if need be, then scan again.
        </Empty>
      </Card>
    );
  return (
    <>
      <div className="grid items-start gap-4 xl:grid-cols-2">
        <ClassBalance datasetId={d.id} />
        <Problems problems={d.problems} />
      </div>
      <Samples dataset={d} />
    </>
  );
}

export function DatasetPage() {
  const { id, dataset: datasetId } = useIds<"id" | "dataset">("/projects/:id/datasets/:dataset");
  const dataset = useQuery(datasetQueries.one(datasetId));
  const trail = useProjectTrail(id);
  const scan = useAct(scanDataset, { done: "Scanning", changes: [["datasets", datasetId]] });
  useTitle(dataset.data?.name);
  if (isMissing(dataset.error))
    return (
      <Missing
        error={dataset.error}
        back={{ href: `/projects/${id}/datasets`, label: "All datasets of the project" }}
      />
    );
  const d = dataset.data;
  return (
    <>
      <PageHeader
        title={d?.name ?? (dataset.error ? "Dataset" : <Skeleton className="h-6 w-40" />)}
        trail={[...trail, { href: `/projects/${id}/datasets`, label: "Datasets" }]}
        meta={
          d && (
            <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
              <span className="break-all font-mono text-muted-foreground text-xs">{d.root}</span>
              <ScanState dataset={d} />
              {d.fingerprint && (
                <span className="font-mono text-muted-foreground text-xs" title={d.fingerprint}>
                  {d.fingerprint.slice(0, 18)}…
                </span>
              )}
            </div>
          )
        }
      >
        {d && (
          <>
            <Button
              variant="outline"
              size="md"
              disabled={d.scan.state === "running" || scan.isPending}
              onClick={() => scan.mutate(d.id)}
            >
              <RefreshCw aria-hidden /> Scan again
            </Button>
            <Button size="md" asChild>
              <Link href={`/projects/${id}/configs/new?root=${encodeURIComponent(d.root)}`}>
                <Play aria-hidden /> Train on it
              </Link>
            </Button>
          </>
        )}
      </PageHeader>
      {dataset.error && !d && <Failed error={dataset.error} retry={() => void dataset.refetch()} />}
      {!d && !dataset.error && <Skeleton className="mx-6 h-72" />}
      {d && (
        <>
          {d.num_images != null && <FactList facts={factsOf(d)} />}
          <div className="flex flex-col gap-4 px-4 py-4 md:px-6">
            <Body dataset={d} />
          </div>
        </>
      )}
    </>
  );
}
