export type Fact = { name: string; value: string; hint?: string };

/** What one wants to know at a glance, in a strip across the page; it begins where the page's title does. */
export const FactList = ({ facts }: { facts: Fact[] }) => (
  <dl className="flex flex-wrap border-y md:px-2">
    {facts.map((f) => (
      <div key={f.name} className="min-w-28 flex-1 border-r px-4 py-2 last:border-r-0">
        <dt className="truncate text-muted-foreground text-xs">{f.name}</dt>
        <dd className="num font-medium text-base">
          {f.value} {f.hint && <span className="font-normal text-muted-foreground text-xs">{f.hint}</span>}
        </dd>
      </div>
    ))}
  </dl>
);
