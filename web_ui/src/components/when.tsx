"use client";
import { useEffect, useState } from "react";
import { ago, exact } from "@/lib/format";

/** A time as "5 min ago", the exact one on hover. */
export function When({ at, className }: { at: string | null | undefined; className?: string }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const t = setInterval(() => tick((n) => n + 1), 30_000);
    return () => clearInterval(t);
  }, []);
  if (!at) return <span className={className}>–</span>;
  return (
    <time dateTime={at} title={exact(at)} className={className}>
      {ago(at)}
    </time>
  );
}
