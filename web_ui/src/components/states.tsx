"use client";
import { type UseQueryResult, useQueryClient } from "@tanstack/react-query";
import { SearchX } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "@/components/ui/button";
import { ApiError, ServerAway } from "@/lib/api/client";
import { Link } from "@/lib/nav";

/** Nothing here yet: one sentence, and what to do next. */
export function Empty({ title, children, icon }: { title: string; children?: ReactNode; icon?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 px-6 py-12 text-center">
      <div aria-hidden className="text-muted-foreground [&_svg]:size-6">
        {icon}
      </div>
      <p className="font-medium">{title}</p>
      <div className="flex max-w-md flex-col items-center gap-3 text-muted-foreground">{children}</div>
    </div>
  );
}

/** What failed, in the server's words, and the way out it names. */
export function Failed({ error, retry }: { error: Error; retry?: () => void }) {
  const wayOut = error instanceof ApiError ? error.problem.way_out : null;
  return (
    <div
      role="alert"
      className="m-3 flex flex-wrap items-center gap-3 rounded-md border border-bad/40 bg-bad/10 px-3 py-2"
    >
      <span className="min-w-0 flex-1 break-words">
        {error.message || "Something went wrong"}
        {wayOut && <span className="block text-muted-foreground">{wayOut}</span>}
      </span>
      {retry && <Retry retry={retry} />}
    </div>
  );
}

/** What else of the page could not be read, such as its name, is tried again with it. */
function Retry({ retry }: { retry: () => void }) {
  const client = useQueryClient();
  const all = () => {
    retry();
    void client.refetchQueries({
      type: "active",
      predicate: ({ state }) => state.status === "error" && state.fetchStatus === "idle",
    });
  };
  return (
    <Button variant="outline" onClick={all}>
      Retry
    </Button>
  );
}

/** What the address names does not exist (or not for this user). */
export function Missing({ error, back }: { error: Error; back?: { href: string; label: string } }) {
  return (
    <div className="px-6 pt-16">
      <h1 className="sr-only">Not found</h1>
      <Empty title="Not found" icon={<SearchX />}>
        <span className="break-all">{error.message}</span>
        <Button variant="outline" asChild>
          <Link href={back?.href ?? "/"}>{back?.label ?? "All projects"}</Link>
        </Button>
      </Empty>
    </div>
  );
}

export const isMissing = (e: Error | null): e is ApiError =>
  e instanceof ApiError && (e.status === 404 || e.status === 422);

/** Loading, failed, or the data; data that are there stay in sight when a later read fails. */
export function Loaded<T>({
  query,
  skeleton,
  children,
}: {
  query: Pick<UseQueryResult<T>, "data" | "error" | "refetch">;
  skeleton: ReactNode;
  children: (data: T) => ReactNode;
}) {
  const { data, error } = query;
  // That the server is away is said once, by the banner of the page.
  const isSaid = error instanceof ServerAway && data !== undefined;
  return (
    <>
      {error && !isSaid && <Failed error={error} retry={() => void query.refetch()} />}
      {data !== undefined ? children(data) : error ? null : skeleton}
    </>
  );
}
