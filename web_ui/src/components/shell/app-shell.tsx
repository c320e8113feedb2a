"use client";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Tooltip } from "radix-ui";
import { type ReactNode, useState } from "react";
import { Frame } from "@/components/shell/frame";
import { Toasts } from "@/components/shell/toasts";
import { Skeleton } from "@/components/ui/skeleton";
import { ApiError } from "@/lib/api/client";
import { useHydrated, usePath } from "@/lib/nav";

const makeClient = () =>
  new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 10_000,
        networkMode: "always", // "offline" by the browser says nothing about a server on this machine
        retry: (n, e) => !(e instanceof ApiError && e.status < 500) && n < 2,
      },
      mutations: { networkMode: "always" },
    },
  });

/** Prerendered HTML holds only the frame's outline: every page needs data that only a browser can ask for. */
export function AppShell({ children }: { children: ReactNode }) {
  const [client] = useState(makeClient);
  const isHydrated = useHydrated();
  const isLogin = usePath() === "/login";
  return (
    <QueryClientProvider client={client}>
      <Tooltip.Provider delayDuration={200}>
        {!isHydrated ? <Outline /> : isLogin ? children : <Frame>{children}</Frame>}
        {isHydrated && <Toasts />}
      </Tooltip.Provider>
    </QueryClientProvider>
  );
}

export const Outline = () => (
  <div role="status" aria-label="Loading" className="flex h-dvh flex-col">
    <div className="h-12 shrink-0 border-b" />
    <div className="grid min-h-0 flex-1 lg:grid-cols-[208px_minmax(0,1fr)]">
      <div className="border-r max-lg:hidden" />
      <div className="flex flex-col gap-4 p-6">
        <Skeleton className="h-7 w-56" />
        <Skeleton className="h-40 w-full" />
      </div>
    </div>
  </div>
);
