"use client";
import { useQueryClient } from "@tanstack/react-query";
import { CircleUser, LogOut, Menu as MenuIcon, Monitor, Moon, Search, Sun } from "lucide-react";
import { useSyncExternalStore } from "react";
import { Kbd } from "@/components/ui/controls";
import { Menu, MenuItem, MenuLabel, MenuLine, MenuTick } from "@/components/ui/menu";
import type { Schemas } from "@/lib/api/client";
import { failure } from "@/lib/api/mutation";
import { logOut } from "@/lib/api/session";
import { cn } from "@/lib/cn";
import { live } from "@/lib/live/socket";
import { Link } from "@/lib/nav";
import { toast } from "@/lib/toast";
import { type Theme, useUi } from "@/lib/ui-store";

const STATUS = {
  connecting: ["bg-warn", "Live: connecting"],
  open: ["bg-ok", "Live"],
  closed: ["bg-bad", "Live: reconnecting"],
} as const;

function LiveDot() {
  const status = useSyncExternalStore(live().onStatus, live().getStatus, () => "idle" as const);
  if (status === "idle") return null; // nothing of this page changes by itself
  const [dot, text] = STATUS[status];
  return (
    <span
      role="status"
      className="inline-flex items-center gap-1.5 whitespace-nowrap text-muted-foreground text-xs"
    >
      <span aria-hidden className={cn("size-2 rounded-full", dot)} />
      <span className="max-sm:sr-only">{text}</span>
    </span>
  );
}

const THEMES: [Theme, string, typeof Sun][] = [
  ["dark", "Dark", Moon],
  ["light", "Light", Sun],
  ["system", "As the system", Monitor],
];

function UserMenu({ me }: { me: Schemas["Me"] }) {
  const { theme, set } = useUi();
  const client = useQueryClient();
  const leave = async () => {
    try {
      await logOut();
      client.clear();
      window.location.assign("/login");
    } catch (e) {
      toast("failed", failure(e as Error).text);
    }
  };
  return (
    <Menu
      trigger={
        <button
          type="button"
          aria-label={`Account of ${me.name}`}
          className="flex h-8 cursor-pointer items-center gap-1.5 rounded-md px-1.5 text-muted-foreground hover:bg-accent hover:text-foreground"
        >
          <CircleUser className="size-4" />
          <span className="max-w-32 truncate max-md:hidden">{me.name}</span>
        </button>
      }
    >
      <MenuLabel>
        {me.name} ({me.role})
      </MenuLabel>
      {THEMES.map(([value, label, Icon]) => (
        <MenuTick key={value} checked={theme === value} onChange={() => set({ theme: value })}>
          <Icon aria-hidden className="size-3.5" /> {label}
        </MenuTick>
      ))}
      <MenuLine />
      <MenuItem onSelect={() => void leave()}>
        <LogOut aria-hidden /> Log out
      </MenuItem>
    </Menu>
  );
}

export function TopBar({
  me,
  openPalette,
  openDrawer,
}: {
  me: Schemas["Me"];
  openPalette: () => void;
  openDrawer: () => void;
}) {
  return (
    <header className="flex h-12 shrink-0 items-center gap-2 border-b px-3 md:px-4">
      <button
        type="button"
        aria-label="Menu"
        onClick={openDrawer}
        className="grid size-8 cursor-pointer place-items-center rounded-md text-muted-foreground hover:bg-accent lg:hidden"
      >
        <MenuIcon className="size-4" />
      </button>
      <Link href="/" className="flex items-center gap-2 font-semibold" title="All projects">
        <span
          aria-hidden
          className="grid size-6 place-items-center rounded-md bg-primary font-bold text-primary-foreground text-xs"
        >
          U
        </span>
        <span className="max-sm:sr-only">UTP</span>
      </Link>
      <button
        type="button"
        onClick={openPalette}
        className="flex h-8 min-w-0 cursor-pointer items-center gap-2 rounded-md border border-input px-2.5 text-muted-foreground hover:bg-accent md:ml-6 md:w-72"
      >
        <Search aria-hidden className="size-3.5 shrink-0" />
        <span className="truncate">Go to…</span>
        <span className="ml-auto max-md:hidden">
          <Kbd>Ctrl K</Kbd>
        </span>
      </button>
      <div className="ml-auto flex items-center gap-2 md:gap-3">
        <LiveDot />
        <UserMenu me={me} />
      </div>
    </header>
  );
}
