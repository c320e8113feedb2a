"use client";
import { useQuery } from "@tanstack/react-query";
import { Empty, Loaded } from "@/components/states";
import { Card, CardHeader } from "@/components/ui/card";
import { SkeletonRows } from "@/components/ui/skeleton";
import { Table, Td, Th } from "@/components/ui/table";
import { When } from "@/components/when";
import { userQueries } from "@/lib/api/users";
import { plain } from "@/lib/format";

/** What is not said by the object itself. */
const rest = (detail: Record<string, unknown> | null | undefined, objectId: string | null | undefined) =>
  Object.entries(detail ?? {})
    .filter(([, v]) => v !== objectId)
    .map(([k, v]) => `${k}=${plain(v)}`)
    .join(" ");

export function AuditTab() {
  const audit = useQuery(userQueries.audit());
  return (
    <Card>
      <CardHeader title="Audit" hint="who did what, newest first" />
      <Loaded query={audit} skeleton={<SkeletonRows />}>
        {({ items }) =>
          items.length ? (
            <Table label="Audit">
              <thead>
                <tr>
                  <Th>When</Th>
                  <Th>Who</Th>
                  <Th>Did</Th>
                  <Th>To</Th>
                  <Th>Detail</Th>
                </tr>
              </thead>
              <tbody>
                {items.map((e) => (
                  <tr key={e.id}>
                    <Td className="whitespace-nowrap text-muted-foreground">
                      <When at={e.at} />
                    </Td>
                    <Td>{e.actor}</Td>
                    <Td className="whitespace-nowrap">{e.action.replaceAll("_", " ")}</Td>
                    <Td className="whitespace-nowrap">
                      {e.object_type}{" "}
                      <span className="font-mono text-muted-foreground text-xs">{e.object_id}</span>
                    </Td>
                    <Td className="max-w-80 truncate font-mono text-muted-foreground text-xs">
                      {rest(e.detail, e.object_id)}
                    </Td>
                  </tr>
                ))}
              </tbody>
            </Table>
          ) : (
            <Empty title="Nothing was done yet." />
          )
        }
      </Loaded>
    </Card>
  );
}
