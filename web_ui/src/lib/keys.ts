"use client";
import { useEffect, useRef } from "react";

export type Key = { combo: string; label: string; group: string; run: () => void };
const registered = new Set<{ current: Key }>();
const CHORD_MS = 1200;

/** A key that works while the component is on the page; `?` lists those that do. `combo` is "j", "?" or "g p". */
export function useKey(combo: string, label: string, run: () => void, group = "This page") {
  const key = useRef<Key>({ combo, label, group, run });
  useEffect(() => {
    key.current = { combo, label, group, run };
  });
  useEffect(() => {
    registered.add(key);
    return () => void registered.delete(key);
  }, []);
}

export const activeKeys = (): Key[] => [...registered].map((k) => k.current);

const isTyping = (t: EventTarget | null) =>
  t instanceof HTMLElement &&
  (t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName) || !!t.closest("[role=menu]")) &&
  !isTick(t);
const isTick = (t: HTMLElement) => t instanceof HTMLInputElement && /^(checkbox|radio|range)$/.test(t.type);

/** Enter is what presses a button or follows a link that has the focus. */
const isPressing = (e: KeyboardEvent) =>
  e.key === "Enter" && e.target instanceof Element && !!e.target.closest("a, button, summary");

/** Turns key presses into what is registered for them; the newest registration of a combo wins. */
export function makeKeyListener(keys: () => Key[] = activeKeys, now: () => number = Date.now) {
  let first: { key: string; at: number } | null = null;
  return (e: KeyboardEvent) => {
    if (e.metaKey || e.ctrlKey || e.altKey || isTyping(e.target) || isPressing(e)) return;
    if (document.querySelector("dialog[open]")) return;
    const chord = first && now() - first.at < CHORD_MS ? `${first.key} ${e.key}` : null;
    const found = keys().findLast((k) => k.combo === chord || (!chord && k.combo === e.key));
    first = !chord && keys().some((k) => k.combo.startsWith(`${e.key} `)) ? { key: e.key, at: now() } : null;
    if (!found) return;
    e.preventDefault();
    found.run();
  };
}
