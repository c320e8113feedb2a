"use client";
import { Check, Copy } from "lucide-react";
import { type ComponentProps, useState } from "react";
import { Button } from "@/components/ui/button";
import { toast } from "@/lib/toast";

/** Copies a text; where the browser forbids it (plain http), says so. */
export function CopyButton({
  text,
  children,
  ...props
}: { text: string | (() => string) } & Omit<ComponentProps<typeof Button>, "onClick">) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(typeof text === "string" ? text : text());
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    } catch {
      toast("failed", "The browser does not let this page copy.", "Select the text and copy it by hand.");
    }
  };
  return (
    <Button variant="ghost" onClick={() => void copy()} {...props}>
      {isDone ? <Check aria-hidden /> : <Copy aria-hidden />} {children ?? (isDone ? "Copied" : "Copy")}
    </Button>
  );
}
