"use client";
import { useEffect, useMemo, useRef, useState } from "react";
import type uPlot from "uplot";
import { Legend } from "@/components/charts/legend";
import { type Band, buildPlot, MANY_CURVES } from "@/components/charts/plot";
import { align, type Curve, ema } from "@/lib/curves";

/** A curve of a few epochs is no noise to smooth away. */
const FEW_POINTS = 60;

/**
 * Curves on a canvas, live: hundreds of thousands of points. `curves` may change every frame.
 * With smoothing, the raw curve stays behind as a faint line: smoothing alone hides divergence.
 */
export function LineChart({
  curves,
  label,
  height = 220,
  isLog = false,
  smooth = 0,
  bands = [],
  xLabel = "step",
  syncKey,
}: {
  curves: Curve[];
  label: string;
  height?: number;
  isLog?: boolean;
  smooth?: number;
  bands?: Band[];
  xLabel?: string;
  syncKey?: string;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const visible = useMemo(() => curves.filter((c) => !hidden.has(c.key)), [curves, hidden]);
  const isBoth = smooth > 0 && visible.length <= MANY_CURVES;
  const data = useMemo(() => {
    const smoothed =
      smooth > 0 ? visible.map((c) => ({ ...c, y: c.x.length < FEW_POINTS ? c.y : ema(c.y, smooth) })) : [];
    return align(isBoth || !smoothed.length ? [...visible, ...smoothed] : smoothed);
  }, [visible, smooth, isBoth]);
  const latest = useRef({ data, visible, bands });
  useEffect(() => {
    latest.current = { data, visible, bands };
  });
  // What makes another plot; points alone go into the one that is there.
  const shape = JSON.stringify([
    xLabel,
    visible.map((c) => [c.key, c.color]),
    isBoth,
    isLog,
    height,
    syncKey,
    bands,
  ]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` stands for all that a plot is built from
  useEffect(() => {
    const el = box.current;
    if (!el) return;
    const build = () => {
      plot.current?.destroy();
      const { visible: series, data: points, bands: marks } = latest.current;
      plot.current = buildPlot(el, {
        series,
        points,
        height,
        isLog,
        isWhole: xLabel === "step",
        isSmoothed: isBoth,
        bands: marks,
        syncKey,
        onCursor: setCursor,
      });
    };
    build();
    const size = new ResizeObserver(() => {
      const width = Math.max(120, el.clientWidth);
      if (width !== plot.current?.width) plot.current?.setSize({ width, height }); // it would draw all anew
    });
    size.observe(el);
    const theme = new MutationObserver(build);
    theme.observe(document.documentElement, { attributeFilter: ["class"] });
    return () => {
      size.disconnect();
      theme.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    const p = plot.current;
    if (p && p.series.length === data.length) p.setData(data);
  }, [data]);

  const toggle = (key: string) =>
    setHidden((old) => new Set(old.has(key) ? [...old].filter((k) => k !== key) : [...old, key]));
  return (
    <div className="min-w-0">
      <div ref={box} role="img" aria-label={label} className="uplot-host w-full overflow-hidden" />
      <Legend
        curves={curves}
        hidden={hidden}
        toggle={toggle}
        data={data}
        shown={visible}
        cursor={cursor}
        isSmoothed={isBoth}
        xLabel={xLabel}
      />
    </div>
  );
}
