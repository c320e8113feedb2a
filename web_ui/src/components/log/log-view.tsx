"use client";
import { ArrowDownToLine } from "lucide-react";
import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import { CopyButton } from "@/components/copy-button";
import { LogLine } from "@/components/log/log-line";
import { useLog } from "@/components/log/use-log";
import { Failed } from "@/components/states";
import { Button } from "@/components/ui/button";
import { stripAnsi } from "@/lib/ansi";
import { plural } from "@/lib/format";
import { useKey } from "@/lib/keys";
import { useFixedRows } from "@/lib/use-fixed-rows";

const ROW = 18;
/** A browser draws no element beyond some 33 million pixels: of a longer log, the last lines. */
const MOST_LINES = 1_800_000;

type Props = {
  runId: string;
  attempt: number;
  stream: string;
  isGrowing: boolean;
  marked: number | null;
  mark: (line: number) => void;
};

function useFollow(scroller: RefObject<HTMLElement | null>, total: number, toEnd: () => void, isOn: boolean) {
  const [follow, setFollow] = useState(isOn);
  const lastTop = useRef(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new line is what it follows
  useLayoutEffect(() => {
    if (follow) toEnd();
  }, [follow, total, toEnd]);
  const onScroll = () => {
    const el = scroller.current;
    if (!el) return;
    const isUp = el.scrollTop < lastTop.current - 1;
    lastTop.current = el.scrollTop;
    if (isUp && follow) setFollow(false);
    else if (!follow && !isUp && el.scrollHeight - el.scrollTop - el.clientHeight < ROW) setFollow(true);
  };
  return { follow, setFollow, onScroll };
}

export function LogView({ runId, attempt, stream, isGrowing, marked, mark }: Props) {
  const store = useLog(runId, attempt, stream, isGrowing);
  const scroller = useRef<HTMLElement>(null);
  const first = Math.max(0, store.total - MOST_LINES);
  const { from, to, height, toEnd } = useFixedRows(scroller, store.total - first, ROW);
  const { follow, setFollow, onScroll } = useFollow(scroller, store.total, toEnd, marked === null);
  useKey("f", "Follow the end of the log", () => setFollow(!follow));
  useEffect(() => {
    if (store.isStarted && store.total) store.ensure(first + from, first + to);
  }, [store, store.isStarted, store.total, first, from, to]);
  useEffect(() => {
    if (marked === null || !store.isStarted) return;
    setFollow(false);
    const el = scroller.current;
    if (el) el.scrollTop = Math.max(0, (marked - first - 4) * ROW);
  }, [marked, store.isStarted, first, setFollow]);
  const shown = Array.from({ length: Math.max(0, to - from) }, (_, i) => first + from + i);
  const text = () => shown.map((i) => stripAnsi(store.line(i)?.text ?? "")).join("\n");
  return (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex items-center gap-2 border-b px-3 py-1">
        <span className="num text-muted-foreground text-xs" data-testid="log-total">
          {plural(store.total, "line")}
          {first > 0 && `; shown are the last ${plural(MOST_LINES, "line")}`}
        </span>
        <div className="ml-auto flex gap-1">
          <CopyButton text={text}>Copy view</CopyButton>
          <Button
            variant={follow ? "secondary" : "ghost"}
            aria-pressed={follow}
            onClick={() => setFollow(!follow)}
          >
            <ArrowDownToLine aria-hidden /> Follow
          </Button>
        </div>
      </div>
      {store.error && <Failed error={store.error} retry={() => void store.start()} />}
      {/* role=log would read 100 lines a second aloud; a labelled, focusable region is scrolled by keyboard. */}
      <section
        ref={scroller}
        data-testid="log-scroller"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scroll region must be reachable by keyboard
        tabIndex={0}
        aria-label="Log lines"
        className="min-h-0 flex-1 overflow-auto py-1 font-mono text-[12px] leading-[18px] [contain:strict]"
        onScroll={onScroll}
      >
        <div className="relative" style={{ height }}>
          <div
            className="absolute top-0 left-0 min-w-full"
            style={{ transform: `translateY(${from * ROW}px)` }}
          >
            {shown.map((i) => (
              <LogLine key={i} n={i} line={store.line(i)} isMarked={i === marked} pick={mark} />
            ))}
          </div>
        </div>
        {store.isStarted && store.total === 0 && (
          <p className="px-4 text-muted-foreground">Nothing was written yet.</p>
        )}
      </section>
    </div>
  );
}
