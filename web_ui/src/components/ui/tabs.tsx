"use client";
import { Tabs as T } from "radix-ui";
import { type ComponentProps, useEffect, useRef } from "react";
import { cn } from "@/lib/cn";

export const Tabs = T.Root;

/** On a narrow window the tabs scroll; the one that a link opened is in sight. */
export function TabsList({ className, ...props }: ComponentProps<typeof T.List>) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.querySelector("[data-state=active]")?.scrollIntoView({ block: "nearest" });
  }, []);
  return <T.List ref={list} className={cn("flex gap-1 overflow-x-auto border-b", className)} {...props} />;
}
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
