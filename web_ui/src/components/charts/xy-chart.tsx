import type { ReactNode } from "react";

const [W, H, LEFT, BOTTOM] = [320, 260, 34, 24];
const TICKS = [0, 0.25, 0.5, 0.75, 1];
export const xAt = (v: number) => LEFT + v * (W - LEFT - 8);
export const yAt = (v: number) => H - BOTTOM - v * (H - BOTTOM - 8);

/** A small static chart whose both axes go from 0 to 1, with the diagonal. */
export function UnitChart({
  label,
  x,
  y,
  children,
}: {
  label: string;
  x: string;
  y: string;
  children: ReactNode;
}) {
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${W} ${H}`}
      className="w-full max-w-sm text-muted-foreground"
    >
      {TICKS.map((t) => (
        <g key={t} stroke="var(--border)">
          <line x1={xAt(t)} x2={xAt(t)} y1={yAt(0)} y2={yAt(1)} />
          <line x1={xAt(0)} x2={xAt(1)} y1={yAt(t)} y2={yAt(t)} />
          <text x={xAt(t)} y={H - 12} fontSize="9" textAnchor="middle" fill="currentColor" stroke="none">
            {t}
          </text>
          <text x={LEFT - 4} y={yAt(t) + 3} fontSize="9" textAnchor="end" fill="currentColor" stroke="none">
            {t}
          </text>
        </g>
      ))}
      <line x1={xAt(0)} y1={yAt(0)} x2={xAt(1)} y2={yAt(1)} stroke="currentColor" strokeDasharray="4 4" />
      {children}
      <text x={xAt(0.5)} y={H - 2} fontSize="9" textAnchor="middle" fill="currentColor">
        {x}
      </text>
      <text
        x={9}
        y={yAt(0.5)}
        fontSize="9"
        textAnchor="middle"
        fill="currentColor"
        transform={`rotate(-90 9 ${yAt(0.5)})`}
      >
        {y}
      </text>
    </svg>
  );
}
