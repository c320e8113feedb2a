"use client";
import { Table, Td, Th } from "@/components/ui/table";
import { ScanState } from "@/features/datasets/scan-state";
import type { Dataset } from "@/lib/api/datasets";
import { bytes, count } from "@/lib/format";
import { Link, useGo } from "@/lib/nav";
import { rowProps, useRowKeys } from "@/lib/use-row-keys";

export function DatasetsTable({ datasets, projectId }: { datasets: Dataset[]; projectId: string }) {
  const go = useGo();
  const at = useRowKeys(datasets.length, (i) => go(`/projects/${projectId}/datasets/${datasets[i]?.id}`));
  return (
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
        {datasets.map((d, i) => (
          <tr key={d.id} {...rowProps(i === at)}>
            <Td>
              <Link className="font-medium hover:underline" href={`/projects/${projectId}/datasets/${d.id}`}>
                {d.name}
              </Link>
            </Td>
            <Td className="max-w-72 truncate font-mono text-muted-foreground text-xs">{d.root}</Td>
            <Td className="min-w-40">
              <ScanState dataset={d} />
            </Td>
            <Td className="num text-right">{d.scanned_at ? count(d.num_classes) : "–"}</Td>
            <Td className="num text-right">{d.scanned_at ? count(d.num_images) : "–"}</Td>
            <Td className="num whitespace-nowrap text-right">{d.scanned_at ? bytes(d.size_bytes) : "–"}</Td>
            <Td className="num text-right">{d.scan.state === "done" ? d.problems.length : "–"}</Td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}
