"use client";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { Outline } from "@/components/shell/app-shell";
import { AwayBanner } from "@/components/shell/away-banner";
import { KeyHelp } from "@/components/shell/key-help";
import { Palette } from "@/components/shell/palette";
import { Sidebar } from "@/components/shell/sidebar";
import { TopBar } from "@/components/shell/top-bar";
import { Failed } from "@/components/states";
import { Dialog } from "@/components/ui/dialog";
import { ApiError } from "@/lib/api/client";
import { sessionQueries } from "@/lib/api/session";
import { makeKeyListener, useKey } from "@/lib/keys";
import { useGo, usePath } from "@/lib/nav";
import { matchRoute } from "@/lib/route";
import { useUi } from "@/lib/ui-store";

function useTheme() {
  const theme = useUi((s) => s.theme);
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const apply = () => {
      const isDark = theme === "dark" || (theme === "system" && system.matches);
      document.documentElement.classList.toggle("dark", isDark);
    };
    apply();
    system.addEventListener("change", apply);
    return () => system.removeEventListener("change", apply);
  }, [theme]);
}

/** A page without a list to filter is searched for in all of them. */
function search(openPalette: () => void) {
  const filter = document.querySelector<HTMLInputElement>("[data-filter]");
  if (filter) filter.focus();
  else openPalette();
}

function useGlobalKeys(openPalette: () => void, openHelp: () => void) {
  const go = useGo();
  const project = matchRoute<"id">("/projects/:id", usePath())?.id;
  const inProject = (page: string) => () => project && go(`/projects/${project}${page}`);
  useKey("g p", "Projects", () => go("/"), "Go to");
  useKey("g q", "Queue", () => go("/queue"), "Go to");
  useKey("g a", "Agents and GPUs", () => go("/agents"), "Go to");
  useKey("g s", "Settings", () => go("/settings"), "Go to");
  useKey("g r", "Runs of this project", inProject(""), "Go to");
  useKey("g c", "Configs of this project", inProject("/configs"), "Go to");
  useKey("g d", "Datasets of this project", inProject("/datasets"), "Go to");
  useKey("g m", "Models of this project", inProject("/models"), "Go to");
  useKey("/", "Filter what is shown, or search", () => search(openPalette), "Anywhere");
  useKey("?", "This list", openHelp, "Anywhere");
  useEffect(() => {
    const listen = makeKeyListener();
    const on = (e: KeyboardEvent) => {
      if ((e.metaKey || e.ctrlKey) && e.key === "k") {
        e.preventDefault();
        openPalette();
      } else if (e.key === "Escape" && e.target instanceof HTMLElement && e.target.matches("[data-filter]"))
        e.target.blur();
      else listen(e);
    };
    window.addEventListener("keydown", on);
    return () => window.removeEventListener("keydown", on);
  }, [openPalette]);
}

export function Frame({ children }: { children: ReactNode }) {
  const me = useQuery(sessionQueries.me());
  const [isPalette, setPalette] = useState(false);
  const [isHelp, setHelp] = useState(false);
  const [isDrawer, setDrawer] = useState(false);
  const path = usePath();
  useTheme();
  useGlobalKeys(
    () => setPalette(true),
    () => setHelp(true),
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page closes the drawer
  useEffect(() => setDrawer(false), [path]);
  if (me.error instanceof ApiError && me.error.status === 401) return <Outline />; // on the way to /login
  if (!me.data)
    return me.error ? <ServerAwayPage error={me.error} retry={() => void me.refetch()} /> : <Outline />;
  return (
    <div className="flex h-dvh flex-col">
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:rounded-md focus:bg-primary focus:px-3 focus:py-1 focus:text-primary-foreground"
      >
        Skip to content
      </a>
      <TopBar me={me.data} openPalette={() => setPalette(true)} openDrawer={() => setDrawer(true)} />
      <AwayBanner />
      <div className="grid min-h-0 flex-1 lg:grid-cols-[208px_minmax(0,1fr)]">
        <aside className="overflow-auto border-r max-lg:hidden">
          <Sidebar />
        </aside>
        <main id="main" tabIndex={-1} className="relative min-w-0 overflow-auto outline-none">
          {children}
        </main>
      </div>
      <Dialog
        open={isDrawer}
        onOpenChange={setDrawer}
        title="Menu"
        isBare
        className="m-0 h-dvh max-h-dvh w-60 rounded-none"
      >
        <div className="h-dvh">
          <Sidebar />
        </div>
      </Dialog>
      <Palette open={isPalette} setOpen={setPalette} />
      <KeyHelp open={isHelp} setOpen={setHelp} />
    </div>
  );
}

const ServerAwayPage = ({ error, retry }: { error: Error; retry: () => void }) => (
  <main className="mx-auto max-w-xl pt-24">
    <h1 className="px-3 font-semibold text-xl">UTP is not there at the moment</h1>
    <Failed error={error} retry={retry} />
  </main>
);
