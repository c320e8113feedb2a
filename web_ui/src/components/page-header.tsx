import { Fragment, type ReactNode } from "react";
import { Skeleton } from "@/components/ui/skeleton";
import { Link } from "@/lib/nav";

/** `label` is undefined while the name is on its way: an id says nothing to anyone. */
export type Crumb = { href: string; label: string | undefined };

export function PageHeader({
  title,
  trail,
  meta,
  children,
}: {
  title: ReactNode;
  trail?: Crumb[];
  meta?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <div className="flex flex-wrap items-end gap-x-3 gap-y-2 px-4 pt-4 pb-3 md:px-6">
      <div className="min-w-0 max-w-full">
        {trail && (
          <nav
            aria-label="Breadcrumb"
            className="flex min-h-5 flex-wrap items-center gap-1.5 text-muted-foreground text-xs"
          >
            {trail.map((t) => (
              <Fragment key={t.href}>
                {t.label === undefined ? (
                  <Skeleton className="h-3 w-20" />
                ) : (
                  <Link className="max-w-60 truncate hover:text-foreground hover:underline" href={t.href}>
                    {t.label}
                  </Link>
                )}
                <span aria-hidden>/</span>
              </Fragment>
            ))}
          </nav>
        )}
        <h1 className="break-words font-semibold text-xl leading-7">{title}</h1>
        {meta}
      </div>
      <div className="ml-auto flex flex-wrap items-center gap-2">{children}</div>
    </div>
  );
}
