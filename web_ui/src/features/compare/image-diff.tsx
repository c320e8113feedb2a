"use client";
import { useQuery } from "@tanstack/react-query";
import { ArrowRight } from "lucide-react";
import { ImageGrid, type Picture } from "@/components/image-grid";
import { Empty, Loaded } from "@/components/states";
import { Card, CardHeader } from "@/components/ui/card";
import { Select } from "@/components/ui/controls";
import { GridSkeleton } from "@/features/run/predictions";
import type { Schemas } from "@/lib/api/client";
import { type ComparedRun, runQueries, type Split } from "@/lib/api/runs";
import { count, percent } from "@/lib/format";
import { setQuery, useQueryState } from "@/lib/nav";

type Change = Schemas["ImageChange"];
type Diff = Schemas["ImageDiff"];

function toPicture(c: Change): Picture {
  return {
    key: c.path,
    thumbnail: `${c.image_url}${c.image_url.includes("?") ? "&" : "?"}size=160`,
    full: c.image_url,
    alt: c.path,
    caption: (
      <>
        <span className="block truncate">{c.label_name}</span>
        <span className="flex items-center gap-1 text-muted-foreground">
          <span className="truncate">{c.predicted_a}</span>
          <ArrowRight aria-label="became" className="size-3 shrink-0" />
          <span className="truncate text-foreground">{c.predicted_b}</span>
        </span>
      </>
    ),
    detail: (
      <dl className="grid grid-cols-[auto_1fr] gap-x-3">
        <dt className="text-muted-foreground">true</dt>
        <dd>{c.label_name}</dd>
        <dt className="text-muted-foreground">A says</dt>
        <dd>
          {c.predicted_a} {percent(c.probability_a, 1)}
        </dd>
        <dt className="text-muted-foreground">B says</dt>
        <dd>
          {c.predicted_b} {percent(c.probability_b, 1)}
        </dd>
      </dl>
    ),
  };
}

/** A p-value in words that nobody misreads. */
export function verdict(p: number | null | undefined): string {
  if (p == null) return "";
  const said = p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`;
  return p < 0.05
    ? `The difference is unlikely to be chance (McNemar, ${said})`
    : `The difference may be chance (McNemar, ${said})`;
}

function Summary({ diff: d }: { diff: Diff }) {
  const facts = [
    ["Accuracy of A", percent(d.accuracy_a, 2)],
    ["Accuracy of B", percent(d.accuracy_b, 2)],
    ["Both right", count(d.num_both_right)],
    ["Both wrong", count(d.num_both_wrong)],
    ["B fixed", count(d.num_fixed)],
    ["B broke", count(d.num_broke)],
  ];
  return (
    <Card>
      <dl className="flex flex-wrap gap-x-8 gap-y-2 px-4 py-3">
        {facts.map(([k, v]) => (
          <div key={k}>
            <dt className="text-muted-foreground text-xs">{k}</dt>
            <dd className="num font-medium text-base">{v}</dd>
          </div>
        ))}
      </dl>
      <p className="border-t px-4 py-2 text-muted-foreground">{verdict(d.p_value)}</p>
    </Card>
  );
}

function Changes({
  title,
  hint,
  items,
  total,
}: {
  title: string;
  hint: string;
  items: Change[];
  total: number;
}) {
  return (
    <Card>
      <CardHeader
        title={`${title} (${count(total)})`}
        hint={items.length < total ? `the first ${items.length}; ${hint}` : hint}
      />
      {items.length ? <ImageGrid pictures={items.map(toPicture)} /> : <Empty title="None." />}
    </Card>
  );
}

/** What run B gets right that A got wrong, and the reverse, image by image. */
export function ImageDiffTab({ runs }: { runs: ComparedRun[] }) {
  const [a] = useQueryState("a", runs[0]?.id ?? "");
  const [b] = useQueryState("b", runs[1]?.id ?? "");
  const [split, setSplit] = useQueryState("split", "val");
  const diff = useQuery({ ...runQueries.imageDiff(a, b, split as Split), enabled: !!a && !!b && a !== b });
  const choose = (key: "a" | "b", value: string) => (
    <Select
      aria-label={`Run ${key.toUpperCase()}`}
      className="h-7 max-w-72 text-xs"
      value={value}
      onChange={(e) => setQuery({ [key]: e.target.value })}
    >
      {runs.map((r) => (
        <option key={r.id} value={r.id}>
          {key.toUpperCase()}: {r.name}
        </option>
      ))}
    </Select>
  );
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-2">
        {choose("a", a)}
        {choose("b", b)}
        <Select
          aria-label="Split"
          className="h-7 text-xs"
          value={split}
          onChange={(e) => setSplit(e.target.value)}
        >
          <option>val</option>
          <option>test</option>
        </Select>
      </div>
      {a === b ? (
        <Card>
          <Empty title="Choose two different runs." />
        </Card>
      ) : (
        <Loaded query={diff} skeleton={<GridSkeleton />}>
          {(d) => (
            <>
              <Summary diff={d} />
              <Changes title="Fixed" hint="A was wrong, B is right" items={d.fixed} total={d.num_fixed} />
              <Changes title="Broke" hint="A was right, B is wrong" items={d.broke} total={d.num_broke} />
            </>
          )}
        </Loaded>
      )}
    </div>
  );
}
