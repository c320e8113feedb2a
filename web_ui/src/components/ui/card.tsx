import type { ComponentProps, ReactNode } from "react";
import { cn } from "@/lib/cn";

export const Card = ({ className, ...props }: ComponentProps<"section">) => (
  <section className={cn("min-w-0 rounded-lg border bg-card", className)} {...props} />
);

export function CardHeader({
  title,
  hint,
  children,
}: {
  title: ReactNode;
  hint?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <header className="flex min-h-10 flex-wrap items-center gap-x-2 gap-y-1 border-b px-3 py-1">
      <h2 className="font-medium">{title}</h2>
      {hint && <span className="min-w-0 truncate text-muted-foreground text-xs">{hint}</span>}
      <div className="ml-auto flex flex-wrap items-center gap-1">{children}</div>
    </header>
  );
}
