"use client";
import { useQuery } from "@tanstack/react-query";
import { Play, RefreshCw } from "lucide-react";
import { PageHeader } from "@/components/page-header";
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
import { projectQueries } from "@/lib/api/projects";
import { bytes, count, plural } from "@/lib/format";
import { Link, useIds, useTitle } from "@/lib/nav";

function Facts({ dataset: d }: { dataset: Dataset }) {
  const facts: [string, string, string?][] = [
    ["Classes", count(d.num_classes)],
    ...d.splits.map((s): [string, string, string] => [s.name, count(s.num_images), bytes(s.size_bytes)]),
    ["Size", bytes(d.size_bytes)],
    ["Versions", String(d.versions.length)],
  ];
  return (
    <dl className="flex flex-wrap border-y">
      {facts.map(([k, v, hint]) => (
        <div key={k} className="min-w-28 flex-1 border-r px-4 py-2 last:border-r-0">
          <dt className="text-muted-foreground text-xs">{k}</dt>
          <dd className="num font-medium text-base">
            {v} {hint && <span className="font-normal text-muted-foreground text-xs">{hint}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

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
  const project = useQuery(projectQueries.one(id));
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
        title={d?.name ?? <Skeleton className="h-6 w-40" />}
        trail={[
          { href: "/", label: "Projects" },
          { href: `/projects/${id}`, label: project.data?.name },
          { href: `/projects/${id}/datasets`, label: "Datasets" },
        ]}
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
          {d.num_images != null && <Facts dataset={d} />}
          <div className="flex flex-col gap-4 px-4 py-4 md:px-6">
            <Body dataset={d} />
          </div>
        </>
      )}
    </>
  );
}
