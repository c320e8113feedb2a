"use client";
import { Columns3 } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Input, Select } from "@/components/ui/controls";
import { Menu, MenuItem, MenuLabel, MenuLine, MenuTick } from "@/components/ui/menu";
import { type Column, DEFAULT_COLUMNS } from "@/features/project/columns";
import type { RunsState } from "@/features/project/use-runs";
import { useQueryState } from "@/lib/nav";

/** Columns that the address asks for, in its order. */
export function useColumns(all: Column[]): [Column[], (ids: string[]) => void] {
  const [text, setText] = useQueryState("cols", DEFAULT_COLUMNS.join(","), true);
  const shown = text.split(",").flatMap((id) => all.find((c) => c.id === id) ?? []);
  return [shown, (ids) => setText(ids.join(","))];
}

function ColumnMenu({ all }: { all: Column[] }) {
  const [shown, setShown] = useColumns(all);
  const ids = shown.map((c) => c.id);
  const toggle = (id: string) => setShown(ids.includes(id) ? ids.filter((i) => i !== id) : [...ids, id]);
  return (
    <Menu
      trigger={
        <Button variant="outline">
          <Columns3 aria-hidden /> Columns
        </Button>
      }
    >
      <MenuLabel>Columns</MenuLabel>
      {all.map((c) => (
        <MenuTick key={c.id} checked={ids.includes(c.id)} onChange={() => toggle(c.id)}>
          {c.title}
        </MenuTick>
      ))}
      <MenuLine />
      <MenuItem onSelect={() => setShown(DEFAULT_COLUMNS)}>As at first</MenuItem>
    </Menu>
  );
}

export function RunsToolbar({ runs }: { runs: RunsState }) {
  const groupable = runs.columns.filter((c) => !["progress", "created_at", "run_time_s"].includes(c.id));
  return (
    <>
      <Select
        aria-label="Group rows by"
        className="h-7 max-w-36 text-xs"
        value={runs.groupBy}
        onChange={(e) => runs.setGroupBy(e.target.value)}
      >
        <option value="">No grouping</option>
        {groupable.map((c) => (
          <option key={c.id} value={c.id}>
            by {c.title}
          </option>
        ))}
      </Select>
      <Select
        aria-label="Archived runs"
        className="h-7 text-xs"
        value={runs.archived ? "yes" : ""}
        onChange={(e) => runs.setArchived(e.target.value)}
      >
        <option value="">Not archived</option>
        <option value="yes">Archived</option>
      </Select>
      <ColumnMenu all={runs.columns} />
      <Input
        data-filter
        aria-label="Filter runs"
        title="Words, state:running, tag:final, owner:maria, lr>1e-4, val_acc@1>=0.9"
        placeholder="state:running lr>1e-4  /"
        className="h-7 w-56 text-xs max-sm:w-full"
        value={runs.text}
        onChange={(e) => runs.setText(e.target.value)}
      />
    </>
  );
}
