import { CircleX } from "lucide-react";
import { CopyButton } from "@/components/copy-button";
import type { RunDetail } from "@/lib/api/runs";
import { setQuery } from "@/lib/nav";

/** Why a run failed, in words, with what to do, the line of the log and the traceback. */
export function CauseCard({ cause }: { cause: NonNullable<RunDetail["cause"]> }) {
  const { log_line: line, traceback } = cause;
  const showLine = () =>
    line &&
    setQuery({
      tab: "logs",
      attempt: String(line.attempt),
      stream: line.stream,
      line: String(line.line + 1),
    });
  return (
    <section aria-label="Cause of the failure" className="rounded-lg border border-bad/40 bg-bad/5">
      <div className="flex gap-3 px-4 py-3">
        <CircleX aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
        <div className="min-w-0 flex-1 space-y-1">
          <h2 className="font-semibold">{cause.title}</h2>
          <p className="break-words text-muted-foreground">{cause.message}</p>
          <p className="break-words">
            <span className="font-medium">What to do: </span>
            {cause.what_to_do}
          </p>
          {line && (
            <button
              type="button"
              onClick={showLine}
              className="block max-w-full cursor-pointer truncate font-mono text-primary text-xs hover:underline"
            >
              {line.stream}:{line.line + 1} {line.text}
            </button>
          )}
        </div>
      </div>
      {traceback && (
        <details className="border-bad/30 border-t px-4 py-2">
          <summary className="cursor-pointer text-muted-foreground">Traceback</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scroll region must be reachable by keyboard */}
          <pre tabIndex={0} className="mt-2 max-h-80 overflow-auto font-mono text-xs leading-5">
            {traceback}
          </pre>
          <CopyButton text={traceback} />
        </details>
      )}
    </section>
  );
}
