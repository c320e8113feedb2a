import uPlot from "uplot";
import { type Curve, tick } from "@/lib/curves";

/** More than these are thin lines, told apart by their smoothed course alone: the raw ones behind would be a cloud. */
export const MANY_CURVES = 20;

/** A stretch of the x axis with a name, such as an attempt. */
export type Band = { from: number; to: number; label: string };
type Plot = {
  series: Curve[];
  points: uPlot.AlignedData;
  height: number;
  isLog: boolean;
  isWhole: boolean; // x counts something: no ticks between
  isSmoothed: boolean;
  bands: Band[];
  syncKey: string | undefined;
  onCursor: (index: number | null) => void;
};

/** A canvas knows no CSS variables: colours and the font are read from the page, again at each theme change. */
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const css = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: css("--muted-foreground"),
    line: css("--border"),
    band: css("--accent"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    color: (c: string) => (c.startsWith("var(") ? css(c.slice(4, -1)) : c),
  };
}
type Look = ReturnType<typeof readTheme>;

function drawBands(u: uPlot, bands: Band[], look: Look) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  bands.forEach((b, i) => {
    const left = u.valToPos(b.from, "x", true);
    const right = Math.min(u.valToPos(b.to, "x", true), bbox.left + bbox.width);
    ctx.fillStyle = look.band;
    ctx.globalAlpha = i % 2 ? 0.55 : 0;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.globalAlpha = 1;
    ctx.fillStyle = look.text;
    ctx.font = `${10 * devicePixelRatio}px ${look.font.slice(5)}`;
    ctx.textAlign = "left"; // the axes leave theirs behind
    ctx.textBaseline = "alphabetic";
    if (right - left > ctx.measureText(b.label).width + 8)
      ctx.fillText(b.label, left + 4, bbox.top + 12 * devicePixelRatio);
  });
  ctx.restore();
}

function lines(p: Plot, look: Look): uPlot.Series[] {
  const isCrowded = p.series.length > MANY_CURVES;
  const line = (c: Curve, isRaw: boolean): uPlot.Series => {
    const color = look.color(c.color);
    return {
      stroke: isRaw ? `color-mix(in oklab, ${color} 30%, transparent)` : color,
      width: isRaw || isCrowded ? 1 : 1.75,
      spanGaps: true,
      points: { show: (_, i) => !isRaw && (p.points[i]?.length ?? 0) === 1 },
    };
  };
  const raw = p.series.map((c) => line(c, p.isSmoothed));
  return p.isSmoothed ? [...raw, ...p.series.map((c) => line(c, false))] : raw;
}

const WHOLE = Array.from({ length: 10 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat();
const ticks = (_: uPlot, values: (number | null)[]) => values.map((v) => (v == null ? "" : tick(v)));

export function buildPlot(el: HTMLElement, p: Plot): uPlot {
  const look = readTheme();
  const rule = { stroke: look.line, width: 1 };
  const axis = { stroke: look.text, grid: rule, ticks: rule, font: look.font, values: ticks };
  return new uPlot(
    {
      width: Math.max(120, el.clientWidth),
      height: p.height,
      padding: [8, 12, 0, 0],
      legend: { show: false },
      cursor: {
        sync: p.syncKey ? { key: p.syncKey } : undefined,
        points: { size: 6 },
        drag: { x: true, y: false },
      },
      scales: { x: { time: false }, y: p.isLog ? { distr: 3 } : {} },
      axes: [
        { ...axis, size: 28, ...(p.isWhole ? { incrs: WHOLE } : {}) },
        { ...axis, size: 52 },
      ],
      series: [{}, ...lines(p, look)],
      hooks: {
        drawClear: p.bands.length > 1 ? [(u) => drawBands(u, p.bands, look)] : [],
        setCursor: [(u) => p.onCursor(u.cursor.idx ?? null)],
      },
    },
    p.points,
    el,
  );
}
