"use client";
import { CircleCheck, CircleX, X } from "lucide-react";
import { useToasts } from "@/lib/toast";

/** News of what was done, read aloud politely; stays above dialogs' backdrop only when none is open. */
export function Toasts() {
  const { toasts, dismiss } = useToasts();
  return (
    <section
      aria-label="News"
      aria-live="polite"
      className="fixed right-4 bottom-4 z-50 flex w-[min(24rem,calc(100vw-2rem))] flex-col gap-2"
    >
      {toasts.map((t) => (
        <div key={t.id} className="flex items-start gap-2 rounded-md border bg-popover px-3 py-2 shadow-lg">
          {t.kind === "done" ? (
            <CircleCheck aria-hidden className="mt-0.5 size-4 shrink-0 text-ok" />
          ) : (
            <CircleX aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
          )}
          <div className="min-w-0 flex-1 break-words">
            {t.text}
            {t.detail && <div className="text-muted-foreground">{t.detail}</div>}
          </div>
          <button
            type="button"
            aria-label="Dismiss"
            onClick={() => dismiss(t.id)}
            className="cursor-pointer text-muted-foreground hover:text-foreground"
          >
            <X className="size-4" />
          </button>
        </div>
      ))}
    </section>
  );
}
