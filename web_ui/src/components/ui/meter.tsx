import { cn } from "@/lib/cn";

/** A share from 0 to 1 as a bar; `isHigh` paints it as a warning. */
export function Meter({
  share,
  label,
  isHigh,
  className,
}: {
  share: number;
  label: string;
  isHigh?: boolean;
  className?: string;
}) {
  const percent = Math.round(Math.max(0, Math.min(1, share)) * 100);
  return (
    <span className={cn("relative block shrink-0", className)}>
      <meter className="sr-only" aria-label={label} value={percent} min={0} max={100}>
        {percent}%
      </meter>
      <span aria-hidden className="block h-1.5 overflow-hidden rounded-full bg-input">
        <span
          className={cn("block h-full rounded-full", isHigh ? "bg-warn" : "bg-chart-1")}
          style={{ width: `${percent}%` }}
        />
      </span>
    </span>
  );
}
