import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

/** A table that scrolls sideways in its card, with the house's spacing. */
export function Table({ className, label, ...props }: ComponentProps<"table"> & { label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scroll region must be reachable by keyboard
    <section aria-label={label} tabIndex={0} className="relative overflow-x-auto">
      <table className={cn("w-full text-left [&_tbody_tr:last-child>td]:border-0", className)} {...props} />
    </section>
  );
}
export const Th = ({ className, ...props }: ComponentProps<"th">) => (
  <th
    scope="col"
    className={cn(
      "whitespace-nowrap border-b px-3 py-2 font-medium text-muted-foreground text-xs",
      className,
    )}
    {...props}
  />
);
export const Td = ({ className, ...props }: ComponentProps<"td">) => (
  <td className={cn("border-b px-3 py-1.5", className)} {...props} />
);
