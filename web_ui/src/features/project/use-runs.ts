"use client";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { type Column, columnsOf } from "@/features/project/columns";
import { groupRuns, parseSort, type Row, sortRuns } from "@/features/project/rows";
import { matches, parseFilter } from "@/features/project/run-filter";
import { runQueries } from "@/lib/api/runs";
import { useQueryState } from "@/lib/nav";

const SERVER_SORTS = ["created_at", "name", "best_value", "state", "run_time_s"];

/** The runs of a project as the address asks for them: filter, group, order; and their columns. */
export function useRuns(projectId: string, closed: ReadonlySet<string>) {
  const [text, setText] = useQueryState("q", "", true);
  const [groupId] = useQueryState("group", "");
  const [groupBy, setGroupBy] = useQueryState("by", "");
  const [sortText, setSort] = useQueryState("sort", "-created_at", true);
  const [archived, setArchived] = useQueryState("archived", "");
  const filter = useMemo(() => parseFilter(text), [text]);
  const sort = useMemo(() => parseSort(sortText), [sortText]);
  const isServerSort = SERVER_SORTS.includes(sort.field);
  const query = useInfiniteQuery(
    runQueries.ofProject(projectId, {
      state: filter.state,
      tag: filter.tag,
      owner: filter.owner,
      q: filter.q,
      group_id: groupId || undefined,
      archived: archived ? true : undefined,
      sort: isServerSort ? sortText : undefined,
    }),
  );
  // What the server can't sort, group or compare by needs all rows here.
  const needsAll = !isServerSort || !!groupBy || filter.comparisons.length > 0;
  const { hasNextPage, isFetchingNextPage, fetchNextPage, isError } = query;
  useEffect(() => {
    if (needsAll && hasNextPage && !isFetchingNextPage && !isError) void fetchNextPage();
  }, [needsAll, hasNextPage, isFetchingNextPage, fetchNextPage, isError]);
  const loaded = useMemo(() => query.data?.pages.flatMap((p) => p.items) ?? [], [query.data]);
  const shown = useMemo(() => {
    const kept = filter.comparisons.length ? loaded.filter((r) => matches(r, filter.comparisons)) : loaded;
    return isServerSort ? kept : sortRuns(kept, sort);
  }, [loaded, filter, sort, isServerSort]);
  const rows: Row[] = useMemo(() => groupRuns(shown, groupBy, closed), [shown, groupBy, closed]);
  const columns: Column[] = useMemo(() => columnsOf(loaded), [loaded]);
  const total = query.data?.pages[0]?.total ?? null;
  return {
    query,
    rows,
    shown,
    columns,
    total,
    needsAll,
    text,
    setText,
    sort,
    setSort,
    groupBy,
    setGroupBy,
    archived: !!archived,
    setArchived,
  };
}
export type RunsState = ReturnType<typeof useRuns>;
