"use client";
import { Kbd } from "@/components/ui/controls";
import { Dialog } from "@/components/ui/dialog";
import { activeKeys } from "@/lib/keys";

const ALWAYS = [
  { combo: "Ctrl K", label: "Go to a page, project or run", group: "Anywhere" },
  { combo: "Esc", label: "Close, or leave the filter", group: "Anywhere" },
];

/** The keys that work on the page beneath, as their components registered them. */
export function KeyHelp({ open, setOpen }: { open: boolean; setOpen: (open: boolean) => void }) {
  const keys = open ? [...activeKeys(), ...ALWAYS] : [];
  const groups = ["This page", "Anywhere", "Go to"].map(
    (g) => [g, keys.filter((k) => k.group === g)] as const,
  );
  return (
    <Dialog open={open} onOpenChange={setOpen} title="Keys">
      <div className="grid gap-4 sm:grid-cols-2">
        {groups
          .filter(([, list]) => list.length)
          .map(([group, list]) => (
            <section key={group}>
              <h3 className="mb-1 font-medium text-muted-foreground text-xs">{group}</h3>
              <dl className="flex flex-col gap-1">
                {list.map((k) => (
                  <div key={k.combo} className="flex items-center gap-2">
                    <dt className="flex w-16 shrink-0 gap-1">
                      {k.combo.split(" ").map((part) => (
                        <Kbd key={part}>{part}</Kbd>
                      ))}
                    </dt>
                    <dd>{k.label}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
      </div>
    </Dialog>
  );
}
