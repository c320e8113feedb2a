"use client";
import { ChevronDown, ChevronRight } from "lucide-react";
import { useEffect, useMemo, useRef } from "react";
import { RunName } from "@/components/run-name";
import { Checkbox } from "@/components/ui/controls";
import type { Column } from "@/features/project/columns";
import { meanSd, type Row, type Sort } from "@/features/project/rows";
import { cn } from "@/lib/cn";
import { seriesColor } from "@/lib/curves";
import { metric, plural } from "@/lib/format";
import { useKey } from "@/lib/keys";
import { Link, useGo } from "@/lib/nav";
import { useUi } from "@/lib/ui-store";
import { useFixedRows } from "@/lib/use-fixed-rows";
import { useRowKeys } from "@/lib/use-row-keys";

const ROW = 32;
const NAME_WIDTH = "min(300px, 50vw)";

type Props = {
  projectId: string;
  rows: Row[];
  columns: Column[];
  sort: Sort;
  setSort: (s: string) => void;
  charted: string[];
  toggleGroup: (key: string) => void;
  onEnd: () => void;
};

const MOST_SELECTED = 100;

/** Selects what is listed, as far as one chart takes it; ticked while all of that is selected. */
function SelectAll({ rows }: { rows: Row[] }) {
  const { selectedRuns, set } = useUi();
  const ids = useMemo(
    () => rows.flatMap((r) => (r.kind === "run" ? r.run.id : [])).slice(0, MOST_SELECTED),
    [rows],
  );
  const chosen = useMemo(() => new Set(selectedRuns), [selectedRuns]);
  const isAll = ids.length > 0 && ids.every((id) => chosen.has(id));
  return (
    <Checkbox
      aria-label="Select all rows"
      title={rows.length > MOST_SELECTED ? `The first ${MOST_SELECTED}` : undefined}
      checked={isAll}
      onChange={() => set({ selectedRuns: isAll ? [] : ids })}
    />
  );
}

function Head({ rows, columns, sort, setSort }: Pick<Props, "rows" | "columns" | "sort" | "setSort">) {
  const all = [{ id: "name", title: "Run", isRight: false }, ...columns];
  return (
    <thead>
      <tr className="[&>th]:sticky [&>th]:top-0 [&>th]:z-10 [&>th]:h-8 [&>th]:border-b [&>th]:bg-card [&>th]:text-xs">
        <th scope="col" className="text-center">
          <SelectAll rows={rows} />
        </th>
        {all.map((c) => {
          const isSorted = sort.field === c.id;
          return (
            <th
              key={c.id}
              scope="col"
              aria-sort={isSorted ? (sort.isDescending ? "descending" : "ascending") : "none"}
              className={cn("truncate px-2 text-left", c.isRight && "text-right")}
            >
              <button
                type="button"
                className={cn(
                  "max-w-full cursor-pointer truncate font-medium text-muted-foreground hover:text-foreground",
                  isSorted && "text-foreground",
                )}
                onClick={() => setSort(isSorted && sort.isDescending ? c.id : `-${c.id}`)}
              >
                {c.title} {isSorted && (sort.isDescending ? "↓" : "↑")}
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function GroupRow({
  row,
  span,
  isAt,
  toggle,
}: {
  row: Extract<Row, { kind: "group" }>;
  span: number;
  isAt: boolean;
  toggle: (key: string) => void;
}) {
  const best = meanSd(row.runs.flatMap((r) => r.best_value ?? []));
  const Icon = row.isOpen ? ChevronDown : ChevronRight;
  return (
    <tr aria-current={isAt || undefined} className={cn("h-8 bg-muted/50", isAt && "bg-accent/70")}>
      <td colSpan={span} className="border-b">
        <button
          type="button"
          aria-expanded={row.isOpen}
          onClick={() => toggle(row.key)}
          className="sticky left-0 flex cursor-pointer items-center gap-2 px-2 font-medium"
        >
          <Icon aria-hidden className="size-4" />
          {row.title}
          <span className="num font-normal text-muted-foreground text-xs">
            {plural(row.runs.length, "run")}
            {best && ` · best ${metric(best.mean)}${best.sd == null ? "" : ` ± ${metric(best.sd)}`}`}
          </span>
        </button>
      </td>
    </tr>
  );
}

function RunRow({
  row,
  columns,
  projectId,
  isAt,
  isSelected,
  color,
}: {
  row: Extract<Row, { kind: "run" }>;
  columns: Column[];
  projectId: string;
  isAt: boolean;
  isSelected: boolean;
  color: string | null;
}) {
  const toggleRun = useUi((s) => s.toggleRun);
  const { run } = row;
  return (
    <tr
      aria-current={isAt || undefined}
      className={cn(
        "h-8 hover:bg-accent/50 [&>td]:h-8 [&>td]:border-b",
        isSelected && "bg-primary/10",
        isAt && "bg-accent/70",
      )}
    >
      <td className="text-center">
        <Checkbox aria-label={`Select ${run.name}`} checked={isSelected} onChange={() => toggleRun(run.id)} />
      </td>
      <td className="px-2">
        <span className="flex items-center gap-2">
          <span
            aria-hidden
            className="size-2 shrink-0 rounded-full"
            style={{ background: color ?? "transparent" }}
          />
          <Link
            className="min-w-0 font-medium hover:underline"
            title={run.name}
            href={`/projects/${projectId}/runs/${run.id}`}
          >
            <RunName name={run.name} />
          </Link>
        </span>
      </td>
      {columns.map((c) => (
        <td key={c.id} className="px-2">
          <span
            className={cn(
              "num flex items-center gap-1 overflow-hidden whitespace-nowrap",
              c.isRight && "justify-end",
            )}
          >
            {c.cell(run)}
          </span>
        </td>
      ))}
    </tr>
  );
}

function useRunKeys({ rows, projectId, toggleGroup }: Props, show: (i: number) => void) {
  const go = useGo();
  const at = useRowKeys(
    rows.length,
    (i) => {
      const row = rows[i];
      if (row?.kind === "group") toggleGroup(row.key);
      else if (row) go(`/projects/${projectId}/runs/${row.run.id}`);
    },
    show,
  );
  const row = rows[at];
  useKey("x", "Select the row", () => row?.kind === "run" && useUi.getState().toggleRun(row.run.id));
  return at;
}

/** Rows of one height, of which only those on screen exist: 10,000 cost as much as 50. */
export function RunsTable(p: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const { from, to } = useFixedRows(scroller, p.rows.length, ROW, 12);
  const selectedRuns = useUi((s) => s.selectedRuns);
  const selected = useMemo(() => new Set(selectedRuns), [selectedRuns]);
  const { onEnd } = p;
  const show = (i: number) => {
    const el = scroller.current;
    if (!el) return;
    const top = i * ROW;
    if (top < el.scrollTop) el.scrollTop = top;
    else if (top + 3 * ROW > el.scrollTop + el.clientHeight) el.scrollTop = top + 3 * ROW - el.clientHeight;
  };
  const at = useRunKeys(p, show);
  useEffect(() => {
    if (to >= p.rows.length - 20) onEnd();
  }, [to, p.rows.length, onEnd]);
  const span = p.columns.length + 2;
  return (
    <section
      ref={scroller}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scroll region must be reachable by keyboard
      tabIndex={0}
      aria-label="Rows of runs"
      className="relative max-h-[70dvh] min-h-40 overflow-auto"
    >
      <table
        aria-label="Runs"
        aria-rowcount={p.rows.length + 1}
        className="min-w-full table-fixed border-separate border-spacing-0"
        style={{ width: `calc(${NAME_WIDTH} + ${p.columns.reduce((w, c) => w + c.width, 36)}px)` }}
      >
        <colgroup>
          <col style={{ width: 36 }} />
          <col style={{ width: NAME_WIDTH }} />
          {p.columns.map((c) => (
            <col key={c.id} style={{ width: c.width }} />
          ))}
        </colgroup>
        <Head rows={p.rows} columns={p.columns} sort={p.sort} setSort={p.setSort} />
        <tbody>
          <Gap span={span} rows={from} />
          {p.rows
            .slice(from, to)
            .map((row, i) =>
              row.kind === "group" ? (
                <GroupRow
                  key={`group ${row.key}`}
                  row={row}
                  span={span}
                  isAt={from + i === at}
                  toggle={p.toggleGroup}
                />
              ) : (
                <RunRow
                  key={row.run.id}
                  row={row}
                  columns={p.columns}
                  projectId={p.projectId}
                  isAt={from + i === at}
                  isSelected={selected.has(row.run.id)}
                  color={p.charted.includes(row.run.id) ? seriesColor(p.charted.indexOf(row.run.id)) : null}
                />
              ),
            )}
          <Gap span={span} rows={p.rows.length - to} />
        </tbody>
      </table>
    </section>
  );
}

/** The place of rows that are not on screen. */
function Gap({ span, rows }: { span: number; rows: number }) {
  if (rows <= 0) return null;
  return (
    <tr aria-hidden>
      <td colSpan={span} style={{ height: rows * ROW }} />
    </tr>
  );
}
