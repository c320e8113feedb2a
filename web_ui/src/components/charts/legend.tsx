import type uPlot from "uplot";
import { cn } from "@/lib/cn";
import { type Curve, tick } from "@/lib/curves";

/** The value nearest at or before the cursor: curves of other steps have none exactly there. */
function valueAt(y: ArrayLike<number | null | undefined> | undefined, index: number): number | null {
  for (let i = index; y && i >= 0; i--) {
    const v = y[i];
    if (v != null) return v;
  }
  return null;
}

/** Names and values under the cursor (else the last ones); a click hides a curve. */
export function Legend({
  curves,
  shown,
  hidden,
  toggle,
  data,
  cursor,
  isSmoothed,
  xLabel,
}: {
  curves: Curve[];
  shown: Curve[];
  hidden: ReadonlySet<string>;
  toggle: (key: string) => void;
  data: uPlot.AlignedData;
  cursor: number | null;
  isSmoothed: boolean;
  xLabel: string;
}) {
  const at = cursor ?? data[0].length - 1;
  const x = data[0][at];
  return (
    <div data-legend className="flex max-h-24 flex-wrap gap-x-3 gap-y-0.5 overflow-auto px-2 pt-1 text-xs">
      <span className="num text-muted-foreground">
        {xLabel} {x === undefined ? "–" : tick(x)}
      </span>
      {curves.map((c) => {
        const i = shown.indexOf(c);
        const v = i < 0 ? null : valueAt(data[1 + i + (isSmoothed ? shown.length : 0)], at);
        return (
          <button
            key={c.key}
            type="button"
            aria-pressed={!hidden.has(c.key)}
            onClick={() => toggle(c.key)}
            title={`${c.name}: click to ${hidden.has(c.key) ? "show" : "hide"}`}
            className={cn(
              "flex min-w-0 max-w-full cursor-pointer items-center gap-1.5",
              hidden.has(c.key) && "line-through opacity-60",
            )}
          >
            <span aria-hidden className="h-0.5 w-3 shrink-0" style={{ background: c.color }} />
            <span className="truncate text-muted-foreground">{c.name}</span>
            <span className="num">{v == null ? "–" : tick(v)}</span>
          </button>
        );
      })}
    </div>
  );
}
