"use client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { ImageGrid } from "@/components/image-grid";
import { Empty, Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Select } from "@/components/ui/controls";
import { GridSkeleton } from "@/features/run/predictions";
import { type Dataset, datasetQueries, imageUrl } from "@/lib/api/datasets";
import { bytes, count } from "@/lib/format";
import { setQuery, useQueryState } from "@/lib/nav";

export function Samples({ dataset }: { dataset: Dataset }) {
  const [split] = useQueryState("split", "");
  const [label] = useQueryState("label", "");
  const query = useInfiniteQuery(datasetQueries.samples(dataset.id, split, label));
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const pictures = useMemo(
    () =>
      query.data?.pages.flatMap((p) =>
        p.items.map((s) => ({
          key: s.id,
          thumbnail: s.thumbnail_url,
          full: imageUrl(dataset.id, s.id),
          alt: s.path,
          caption: (
            <span className="block truncate">
              {s.label} <span className="text-muted-foreground">{s.split}</span>
            </span>
          ),
          detail: (
            <p className="num break-all text-muted-foreground">
              {s.split}, class {s.label}
              {s.width && s.height ? `, ${s.width} × ${s.height} pixels` : ""}, {bytes(s.size_bytes)}
            </p>
          ),
        })),
      ) ?? [],
    [query.data, dataset.id],
  );
  const total = query.data?.pages[0]?.total;
  return (
    <Card>
      <CardHeader title="Images" hint={total != null && count(total)}>
        {label && (
          <Button variant="secondary" onClick={() => setQuery({ label: null })} title="Show all classes">
            {label} ×
          </Button>
        )}
        <Select
          aria-label="Split"
          className="h-7 text-xs"
          value={split}
          onChange={(e) => setQuery({ split: e.target.value })}
        >
          <option value="">all splits</option>
          {dataset.splits.map((s) => (
            <option key={s.name}>{s.name}</option>
          ))}
        </Select>
      </CardHeader>
      <Loaded query={query} skeleton={<GridSkeleton />}>
        {() =>
          pictures.length ? (
            <ImageGrid pictures={pictures} onEnd={onEnd} />
          ) : (
            <Empty title="There are no such images." />
          )
        }
      </Loaded>
    </Card>
  );
}
