import { cn } from "@/lib/cn";

export const Skeleton = ({ className }: { className?: string }) => (
  <div data-skeleton className={cn("animate-pulse rounded-md bg-muted", className)} />
);

/** Rows of a table that is on its way. */
export function SkeletonRows({ rows = 6 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading" className="flex flex-col gap-2 p-3">
      {Array.from({ length: rows }, (_, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: placeholders are all alike
        <div key={i} className="flex gap-3">
          <Skeleton className="h-6 w-6" />
          <Skeleton className="h-6 flex-1" />
          <Skeleton className="h-6 w-24 max-sm:hidden" />
          <Skeleton className="h-6 w-16" />
        </div>
      ))}
    </div>
  );
}
