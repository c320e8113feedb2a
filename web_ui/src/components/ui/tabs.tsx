"use client";
import { Tabs as T } from "radix-ui";
import type { ComponentProps } from "react";
import { cn } from "@/lib/cn";

export const Tabs = T.Root;
export const TabsList = ({ className, ...props }: ComponentProps<typeof T.List>) => (
  <T.List className={cn("flex gap-1 overflow-x-auto border-b", className)} {...props} />
);
export const TabsTrigger = ({ className, ...props }: ComponentProps<typeof T.Trigger>) => (
  <T.Trigger
    className={cn(
      "shrink-0 cursor-pointer border-transparent border-b-2 px-2.5 py-2 text-muted-foreground hover:text-foreground data-[state=active]:border-primary data-[state=active]:text-foreground",
      className,
    )}
    {...props}
  />
);
export const TabsContent = ({ className, ...props }: ComponentProps<typeof T.Content>) => (
  <T.Content className={cn("pt-4", className)} {...props} />
);
