"use client";
// The only file that knows the router.
import NextLink from "next/link";
import { usePathname, useRouter, useSearchParams } from "next/navigation";
import { type ComponentProps, type MouseEvent, useCallback, useEffect, useSyncExternalStore } from "react";
import { useServerState } from "@/lib/server-state";
import { toast } from "@/lib/toast";
import { matchRoute } from "./route";

/** While the server is away a page can't be fetched, and the browser would show its own error in place of ours. */
function stay(e: MouseEvent) {
  if (!useServerState.getState().isAway) return;
  e.preventDefault();
  toast("failed", "This page opens when the server is back.");
}

/** No prefetch: a table of runs would ask for dozens of payloads. */
export function Link({ href, ...props }: Omit<ComponentProps<"a">, "href"> & { href: string }) {
  return <NextLink href={href} prefetch={false} onClick={stay} {...props} />;
}
export const usePath = () => usePathname();
export const useGo = () => {
  const router = useRouter();
  return useCallback((href: string) => router.push(href), [router]);
};

/** Ids from the address: `useIds("/projects/:id/runs/:run")`. Empty strings while another page is shown. */
export function useIds<K extends string>(pattern: string): Record<K, string> {
  const path = usePathname();
  const ids = matchRoute<K>(pattern, path);
  if (ids) return ids;
  const names = pattern.split("/").filter((p) => p.startsWith(":"));
  return Object.fromEntries(names.map((n) => [n.slice(1), ""])) as Record<K, string>;
}

export function setQuery(changes: Record<string, string | null>, isReplace = false) {
  const next = new URLSearchParams(window.location.search);
  for (const [key, value] of Object.entries(changes))
    if (value === null || value === "") next.delete(key);
    else next.set(key, value);
  const s = next.toString();
  // Radix fires twice for one click (pointer, then focus): the second must not push again.
  if (s === new URLSearchParams(window.location.search).toString()) return;
  const url = s ? `?${s}` : window.location.pathname;
  if (isReplace) window.history.replaceState(null, "", url);
  else window.history.pushState(null, "", url);
}

/** A value in the query string: kept over reload, shareable, and no request is made when it changes. */
export function useQueryState(
  key: string,
  fallback: string,
  isReplace = false,
): [string, (v: string) => void] {
  const value = useSearchParams().get(key) ?? fallback;
  const set = useCallback(
    (v: string) => setQuery({ [key]: v === fallback ? null : v }, isReplace),
    [key, fallback, isReplace],
  );
  return [value, set];
}

export function useTitle(title: string | undefined) {
  useEffect(() => {
    document.title = title ? `${title} · UTP` : "UTP";
  }, [title]);
}

const never = () => () => {};
export const useHydrated = () =>
  useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
