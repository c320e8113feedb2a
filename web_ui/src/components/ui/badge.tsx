import { cva, type VariantProps } from "class-variance-authority";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

const badge = cva(
  "inline-flex items-center gap-1 rounded border px-1.5 text-xs leading-[18px] whitespace-nowrap [&_svg]:size-3",
  {
    variants: {
      tone: {
        plain: "text-muted-foreground",
        ok: "border-ok/40 text-ok",
        warn: "border-warn/40 text-warn",
        bad: "border-bad/40 text-bad",
        live: "border-live/40 text-live",
      },
    },
    defaultVariants: { tone: "plain" },
  },
);

export const Badge = ({ className, tone, ...props }: ComponentProps<"span"> & VariantProps<typeof badge>) => (
  <span className={cn(badge({ tone }), className)} {...props} />
);
