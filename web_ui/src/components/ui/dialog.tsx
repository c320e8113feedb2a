"use client";
import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { cn } from "@/lib/cn";

/** The browser's own modal dialog: focus stays inside, Esc closes, and no style is injected, which the CSP would refuse. */
export function Dialog({
  open,
  onOpenChange,
  title,
  description,
  isBare = false,
  className,
  children,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  description?: ReactNode;
  isBare?: boolean;
  className?: string;
  children: ReactNode;
}) {
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const el = box.current;
    if (open && !el?.open) el?.showModal();
    if (!open && el?.open) el.close();
  }, [open]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Esc is the keyboard's way out, the browser's own
    <dialog
      ref={box}
      aria-labelledby={id}
      onClose={() => onOpenChange(false)}
      onClick={(e) => e.target === box.current && onOpenChange(false)}
      className={cn(
        "m-auto max-h-[85dvh] w-[min(34rem,calc(100vw-2rem))] overflow-auto rounded-lg border bg-popover text-foreground shadow-xl backdrop:bg-black/50",
        className,
      )}
    >
      {open && (
        <div className={isBare ? "" : "p-4"}>
          <div className={isBare ? "sr-only" : "flex items-start gap-2 pb-3"}>
            <div className="min-w-0 flex-1">
              <h2 id={id} className="break-words font-semibold text-base">
                {title}
              </h2>
              {description && <div className="mt-1 text-muted-foreground">{description}</div>}
            </div>
            {!isBare && (
              <button
                type="button"
                aria-label="Close"
                onClick={() => onOpenChange(false)}
                className="grid size-7 cursor-pointer place-items-center rounded-md text-muted-foreground hover:bg-accent"
              >
                <X className="size-4" />
              </button>
            )}
          </div>
          {children}
        </div>
      )}
    </dialog>
  );
}
