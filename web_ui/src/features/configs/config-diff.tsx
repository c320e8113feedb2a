"use client";
import { useQuery } from "@tanstack/react-query";
import { Empty, Loaded } from "@/components/states";
import { Dialog } from "@/components/ui/dialog";
import { SkeletonRows } from "@/components/ui/skeleton";
import { Table, Td, Th } from "@/components/ui/table";
import { type Config, configQueries } from "@/lib/api/configs";
import { plain } from "@/lib/format";

export function ConfigDiff({
  a,
  b,
  configs,
  close,
}: {
  a: string;
  b: string;
  configs: Config[];
  close: () => void;
}) {
  const diff = useQuery(configQueries.diff(a, b));
  const name = (id: string) => configs.find((c) => c.id === id)?.name ?? "…";
  return (
    <Dialog
      open
      onOpenChange={(o) => !o && close()}
      title={`${name(a)} and ${name(b)}`}
      className="w-[min(48rem,calc(100vw-2rem))]"
    >
      <Loaded query={diff} skeleton={<SkeletonRows rows={4} />}>
        {({ fields }) =>
          fields.length ? (
            <Table label="Differences">
              <thead>
                <tr>
                  <Th>Field</Th>
                  <Th>{name(a)}</Th>
                  <Th>{name(b)}</Th>
                </tr>
              </thead>
              <tbody className="font-mono text-xs">
                {fields.map((f) => (
                  <tr key={f.field}>
                    <Td>{f.field}</Td>
                    <Td className="break-all">{plain(f.a)}</Td>
                    <Td className="break-all">{plain(f.b)}</Td>
                  </tr>
                ))}
              </tbody>
            </Table>
          ) : (
            <Empty title="They say the same." />
          )
        }
      </Loaded>
    </Dialog>
  );
}
