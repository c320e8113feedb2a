"use client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { ImageGrid, type Picture } from "@/components/image-grid";
import { Empty, Loaded } from "@/components/states";
import { Skeleton } from "@/components/ui/skeleton";
import { fileQueries, type Prediction, type PredictionFilter } from "@/lib/api/run-files";
import { metric, percent } from "@/lib/format";

const sized = (url: string, size: number) => `${url}${url.includes("?") ? "&" : "?"}size=${size}`;

export function toPicture(p: Prediction): Picture {
  const isRight = p.label === p.predicted;
  return {
    key: p.id,
    thumbnail: sized(p.image_url, 160),
    full: p.image_url,
    alt: p.path,
    caption: (
      <>
        <span className="block truncate">{p.label_name}</span>
        <span className={`block truncate ${isRight ? "text-ok" : "text-bad"}`}>
          {isRight ? "right" : `taken for ${p.predicted_name}`} {percent(p.probability)}
        </span>
      </>
    ),
    detail: (
      <dl className="grid grid-cols-[auto_1fr] gap-x-3">
        <dt className="text-muted-foreground">true</dt>
        <dd>{p.label_name}</dd>
        {p.top.map((t) => (
          <div key={t.label_name} className="contents">
            <dt className="num text-right text-muted-foreground">{percent(t.probability, 1)}</dt>
            <dd>{t.label_name}</dd>
          </div>
        ))}
        <dt className="text-muted-foreground">loss</dt>
        <dd className="num">{metric(p.loss)}</dd>
      </dl>
    ),
  };
}

/** Images of one filter (a cell of the matrix, the worst mistakes), page by page as one scrolls. */
export function Predictions({ runId, filter }: { runId: string; filter: PredictionFilter }) {
  const query = useInfiniteQuery(fileQueries.predictions(runId, filter));
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const pictures = useMemo(
    () => query.data?.pages.flatMap((p) => p.items.map(toPicture)) ?? [],
    [query.data],
  );
  return (
    <Loaded query={query} skeleton={<GridSkeleton />}>
      {() =>
        pictures.length ? (
          <ImageGrid pictures={pictures} onEnd={onEnd} />
        ) : (
          <Empty title="There are no such images." />
        )
      }
    </Loaded>
  );
}

export const GridSkeleton = () => (
  <div
    role="status"
    aria-label="Loading"
    className="grid grid-cols-[repeat(auto-fill,minmax(8.5rem,1fr))] gap-2 p-3"
  >
    {["a", "b", "c", "d", "e", "f"].map((k) => (
      <Skeleton key={k} className="aspect-square w-full" />
    ))}
  </div>
);
