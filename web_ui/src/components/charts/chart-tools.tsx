"use client";
import { Download } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Select } from "@/components/ui/controls";
import { type Curve, toCsv } from "@/lib/curves";
import { useUi, type XAxis } from "@/lib/ui-store";

/** How all curves of the page are drawn: smoothing, scale, x axis. */
export function ChartTools() {
  const { smooth, logScale, xAxis, set } = useUi();
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-1 text-muted-foreground text-xs">
      <label className="flex items-center gap-2">
        Smoothing
        <input
          type="range"
          className="w-28 cursor-pointer accent-primary"
          min={0}
          max={0.99}
          step={0.01}
          value={smooth}
          onChange={(e) => set({ smooth: Number(e.target.value) })}
        />
        <output className="num w-7">{smooth.toFixed(2)}</output>
      </label>
      <label className="flex cursor-pointer items-center gap-1.5">
        <input
          type="checkbox"
          className="accent-primary"
          checked={logScale}
          onChange={(e) => set({ logScale: e.target.checked })}
        />
        Log scale
      </label>
      <label className="flex items-center gap-1.5">
        x axis
        <Select
          className="h-7 text-xs"
          value={xAxis}
          onChange={(e) => set({ xAxis: e.target.value as XAxis })}
        >
          <option value="step">step</option>
          <option value="epoch">epoch</option>
          <option value="time">time (s)</option>
        </Select>
      </label>
    </div>
  );
}

export function CsvButton({ name, xName, curves }: { name: string; xName: string; curves: Curve[] }) {
  const save = () => {
    const url = URL.createObjectURL(new Blob([toCsv(xName, curves)], { type: "text/csv" }));
    const a = Object.assign(document.createElement("a"), {
      href: url,
      download: `${name.replaceAll(/[^\w@.-]+/g, "_")}.csv`,
    });
    a.click();
    URL.revokeObjectURL(url);
  };
  return (
    <Button
      variant="ghost"
      size="icon"
      aria-label={`${name} as CSV`}
      title="Download as CSV"
      disabled={!curves.length}
      onClick={save}
    >
      <Download aria-hidden />
    </Button>
  );
}
