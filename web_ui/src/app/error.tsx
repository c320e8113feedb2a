"use client";
import { Failed } from "@/components/states";

/** The frame stays when a page breaks. */
export default function RouteError({ error, reset }: { error: Error; reset: () => void }) {
  return <Failed error={error} retry={reset} />;
}
