"use client";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useState } from "react";
import { Dialog } from "@/components/ui/dialog";
import { api, ok } from "@/lib/api/client";
import { projectQueries } from "@/lib/api/projects";
import { cn } from "@/lib/cn";
import { useGo, usePath } from "@/lib/nav";
import { matchRoute } from "@/lib/route";

type Goal = { href: string; label: string; hint: string };
const PAGES: Goal[] = [
  { href: "/", label: "Projects", hint: "page" },
  { href: "/queue", label: "Queue", hint: "page" },
  { href: "/agents", label: "Agents & GPUs", hint: "page" },
  { href: "/settings", label: "Settings, tokens and users", hint: "page" },
];
const PROJECT_PAGES = [
  ["", "Runs"],
  ["/configs", "Configs"],
  ["/configs/new", "New config"],
  ["/datasets", "Datasets"],
  ["/models", "Models"],
];

function useGoals(text: string, isOpen: boolean): Goal[] {
  const project = matchRoute<"id">("/projects/:id", usePath())?.id;
  const projects = useQuery({ ...projectQueries.list(), enabled: isOpen });
  const runs = useQuery({
    queryKey: ["palette", text],
    enabled: isOpen && text.length > 1,
    queryFn: ({ signal }) =>
      ok(api.GET("/api/v1/runs", { params: { query: { q: text, limit: 8 } }, signal })),
  });
  const here = project
    ? PROJECT_PAGES.map(([p, label]) => ({
        href: `/projects/${project}${p}`,
        label: label ?? "",
        hint: "this project",
      }))
    : [];
  const named = [
    ...PAGES,
    ...here,
    ...(projects.data?.items.map((p) => ({ href: `/projects/${p.id}`, label: p.name, hint: "project" })) ??
      []),
  ].filter((g) => g.label.toLowerCase().includes(text.toLowerCase()));
  const found = text.length > 1 ? (runs.data?.items ?? []) : [];
  return [
    ...named,
    ...found.map((r) => ({ href: `/projects/${r.project_id}/runs/${r.id}`, label: r.name, hint: "run" })),
  ].slice(0, 40);
}

function Goals({ close }: { close: () => void }) {
  const go = useGo();
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const goals = useGoals(text, true);
  const pick = (g: Goal | undefined) => {
    if (!g) return;
    close();
    go(g.href);
  };
  const onKey = (e: KeyboardEvent) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (move) setAt((goals.length + at + move) % Math.max(1, goals.length));
    else if (e.key === "Enter") pick(goals[at]);
    else return;
    e.preventDefault();
  };
  return (
    <>
      <input
        // biome-ignore lint/a11y/noAutofocus: opened by a key, to type into at once
        autoFocus
        role="combobox"
        aria-expanded
        aria-controls="goals"
        aria-activedescendant={goals[at] ? `goal-${at}` : undefined}
        aria-label="Go to a page, project or run"
        placeholder="Go to a page, project or run…"
        className="h-11 w-full border-b bg-transparent px-3 outline-none"
        value={text}
        onChange={(e) => {
          setText(e.target.value);
          setAt(0);
        }}
        onKeyDown={onKey}
      />
      <div id="goals" role="listbox" aria-label="Goals" className="max-h-80 overflow-auto p-1">
        {goals.map((g, i) => (
          <button
            type="button"
            role="option"
            tabIndex={-1}
            id={`goal-${i}`}
            key={`${g.href} ${g.hint}`}
            aria-selected={i === at}
            onClick={() => pick(g)}
            onPointerMove={() => setAt(i)}
            className={cn(
              "flex w-full cursor-pointer items-center gap-2 rounded-md px-2 py-1.5 text-left",
              i === at && "bg-accent",
            )}
          >
            <span className="min-w-0 flex-1 truncate">{g.label}</span>
            <span className="shrink-0 text-muted-foreground text-xs">{g.hint}</span>
          </button>
        ))}
        {!goals.length && <p className="p-4 text-center text-muted-foreground">Nothing is called that.</p>}
      </div>
    </>
  );
}

export function Palette({ open, setOpen }: { open: boolean; setOpen: (open: boolean) => void }) {
  return (
    <Dialog open={open} onOpenChange={setOpen} title="Go to" isBare className="mt-[15vh] p-0">
      {open && <Goals close={() => setOpen(false)} />}
    </Dialog>
  );
}
