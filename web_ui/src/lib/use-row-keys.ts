"use client";
import { useState } from "react";
import { useKey } from "@/lib/keys";

/** Where the marked row is drawn by itself; a table that holds only the rows in sight scrolls by arithmetic. */
const showMarked = () =>
  requestAnimationFrame(() =>
    document.querySelector("tr[aria-current]")?.scrollIntoView({ block: "nearest" }),
  );

/** `j` and `k` mark one of `count` rows, Enter opens it; -1 while none is marked. */
export function useRowKeys(
  count: number,
  open: (i: number) => void,
  show: (i: number) => void = showMarked,
): number {
  const [marked, setMarked] = useState(-1);
  const at = Math.min(marked, count - 1);
  const move = (step: 1 | -1) => {
    const next = Math.max(0, Math.min(count - 1, at + step));
    setMarked(next);
    show(next);
    // What was clicked last gives the focus back: Enter is the row's now.
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  };
  useKey("j", "Next row", () => move(1));
  useKey("k", "Row before", () => move(-1));
  useKey("Enter", "Open the row", () => at >= 0 && open(at));
  return at;
}

/** Attributes of a row that may be the marked one. */
export const rowProps = (isAt: boolean) => ({
  "aria-current": isAt || undefined,
  className: isAt ? "bg-accent/60" : "hover:bg-accent/50",
});
