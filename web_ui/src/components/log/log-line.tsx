import { memo, useMemo } from "react";
import { parseAnsi, type Span } from "@/lib/ansi";
import { cn } from "@/lib/cn";
import { exact } from "@/lib/format";
import type { Line } from "@/lib/live/log-store";

const look = (s: Span) => ({
  color: s.fg,
  backgroundColor: s.bg,
  fontWeight: s.bold ? 600 : undefined,
  opacity: s.dim ? 0.75 : undefined,
  fontStyle: s.italic ? "italic" : undefined,
  textDecoration: s.underline ? "underline" : undefined,
});
const LEVEL: Record<string, string> = {
  warning: "border-l-warn",
  error: "border-l-bad",
  critical: "border-l-bad",
};

/** One line of a log: its number links to it, its colours are those of a terminal, its text is never markup. */
export const LogLine = memo(function LogLine({
  n,
  line,
  isMarked,
  pick,
}: {
  n: number;
  line: Line | undefined;
  isMarked: boolean;
  pick: (n: number) => void;
}) {
  const spans = useMemo(() => (line ? parseAnsi(line.text) : null), [line]);
  return (
    <div
      data-line={n}
      className={cn(
        "flex h-[18px] w-max min-w-full border-transparent border-l-2 hover:bg-accent/60",
        LEVEL[line?.level ?? ""],
        isMarked && "bg-primary/15",
      )}
    >
      <button
        type="button"
        tabIndex={-1}
        aria-label={`Link to line ${n + 1}`}
        title={line?.at ? exact(line.at) : undefined}
        onClick={() => pick(n)}
        className="num w-16 shrink-0 cursor-pointer select-none pr-3 text-right text-muted-foreground hover:text-foreground"
      >
        {n + 1}
      </button>
      <span className="whitespace-pre pr-4">
        {spans
          ? spans.map((s, i) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: spans of a line never move
              <span key={i} style={look(s)}>
                {s.text}
              </span>
            ))
          : "…"}
      </span>
    </div>
  );
});
