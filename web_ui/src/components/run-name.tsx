import { cn } from "@/lib/cn";

const KEPT = 12;

/** A name on one line: where it is too long its middle goes, since runs of one config differ in their ends. */
export function RunName({ name, className }: { name: string; className?: string }) {
  return (
    <span className={cn("flex min-w-0", className)}>
      <span className="truncate">{name.slice(0, -KEPT)}</span>
      <span className="shrink-0 whitespace-pre">{name.slice(-KEPT)}</span>
    </span>
  );
}
