"use client";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";

export type Picture = {
  key: string;
  thumbnail: string;
  full: string;
  alt: string;
  caption: ReactNode;
  detail?: ReactNode;
};

/** Thumbnails that load when they come in sight; a click shows one large, arrows go on. */
export function ImageGrid({ pictures, onEnd }: { pictures: Picture[]; onEnd?: () => void }) {
  const [at, setAt] = useState<number | null>(null);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const el = end.current;
    if (!el || !onEnd) return;
    const seen = new IntersectionObserver(([e]) => e?.isIntersecting && onEnd(), { rootMargin: "600px" });
    seen.observe(el);
    return () => seen.disconnect();
  }, [onEnd]);
  const picture = at === null ? undefined : pictures[at];
  const go = (step: number) =>
    setAt((i) => (i === null ? null : Math.max(0, Math.min(pictures.length - 1, i + step))));
  return (
    <>
      <ul className="grid grid-cols-[repeat(auto-fill,minmax(8.5rem,1fr))] gap-2 p-3">
        {pictures.map((p, i) => (
          <li key={p.key}>
            <button
              type="button"
              onClick={() => setAt(i)}
              className="w-full cursor-pointer overflow-hidden rounded-md border text-left hover:border-ring"
            >
              <img
                src={p.thumbnail}
                alt={p.alt}
                loading="lazy"
                decoding="async"
                className="aspect-square w-full bg-muted object-cover"
              />
              <span className="block p-1.5 text-xs leading-4">{p.caption}</span>
            </button>
          </li>
        ))}
      </ul>
      <div ref={end} />
      <Dialog
        open={!!picture}
        onOpenChange={(o) => !o && setAt(null)}
        title={picture?.alt ?? ""}
        className="w-[min(56rem,calc(100vw-2rem))]"
      >
        {picture && (
          // biome-ignore lint/a11y/noStaticElementInteractions: arrow keys within the dialog
          <div
            className="flex flex-col gap-3"
            onKeyDown={(e) => {
              if (e.key === "ArrowRight") go(1);
              if (e.key === "ArrowLeft") go(-1);
            }}
          >
            <img
              src={picture.full}
              alt={picture.alt}
              className="max-h-[60dvh] w-full rounded-md bg-muted object-contain"
            />
            <div className="flex items-start gap-3">
              <div className="min-w-0 flex-1">{picture.detail ?? picture.caption}</div>
              <Button
                variant="outline"
                size="icon"
                aria-label="Image before"
                disabled={at === 0}
                onClick={() => go(-1)}
              >
                <ChevronLeft aria-hidden />
              </Button>
              <Button
                variant="outline"
                size="icon"
                aria-label="Next image"
                disabled={at === pictures.length - 1}
                onClick={() => go(1)}
              >
                <ChevronRight aria-hidden />
              </Button>
            </div>
          </div>
        )}
      </Dialog>
    </>
  );
}
