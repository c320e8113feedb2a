/** A small curve without axes, oldest value first. */
export function Sparkline({
  values,
  label,
  className,
}: {
  values: number[];
  label: string;
  className?: string;
}) {
  if (values.length < 2) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const y = (v: number) => 18 - (16 * (v - low)) / (high - low || 1);
  const points = values
    .map((v, i) => `${((i * 78) / (values.length - 1) + 1).toFixed(1)},${y(v).toFixed(1)}`)
    .join(" ");
  return (
    <svg role="img" aria-label={label} viewBox="0 0 80 20" className={className ?? "h-5 w-20"}>
      <polyline
        points={points}
        fill="none"
        stroke="var(--chart-1)"
        strokeWidth="1.5"
        strokeLinejoin="round"
      />
    </svg>
  );
}
