"use client";
import { useQuery } from "@tanstack/react-query";
import { KeyRound, Plus } from "lucide-react";
import { useState } from "react";
import { fieldError, formError } from "@/components/form-errors";
import { Empty, Failed, Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Input, Select } from "@/components/ui/controls";
import { Dialog } from "@/components/ui/dialog";
import { SkeletonRows } from "@/components/ui/skeleton";
import { Table, Td, Th } from "@/components/ui/table";
import { When } from "@/components/when";
import { SecretOnce } from "@/features/settings/secret-once";
import { useAct } from "@/lib/api/mutation";
import { createToken, revokeToken, type Scope, userQueries } from "@/lib/api/users";
import { exact } from "@/lib/format";

const SCOPES: [Scope, string][] = [
  ["read", "reads what you see"],
  ["write", "does what you may"],
  ["admin", "may administer"],
];
const DAYS = [7, 30, 90, 365];

function Form({ isAdmin, done }: { isAdmin: boolean; done: (token: string) => void }) {
  const [name, setName] = useState("");
  const [scope, setScope] = useState<Scope>("write");
  const [days, setDays] = useState(90);
  const create = useAct(createToken, { isQuiet: true, changes: [["tokens"]], onDone: (t) => done(t.token) });
  const rest = formError(create.error, ["name", "scope", "expires_in_days"]);
  return (
    <form
      className="flex flex-col gap-3"
      onSubmit={(e) => {
        e.preventDefault();
        create.mutate({ name: name.trim(), scope, expires_in_days: days });
      }}
    >
      <Field label="Name" error={fieldError(create.error, "name")} hint="Where it is used.">
        {(aria) => <Input {...aria} value={name} onChange={(e) => setName(e.target.value)} />}
      </Field>
      <Field label="Scope" error={fieldError(create.error, "scope")}>
        {(aria) => (
          <Select {...aria} value={scope} onChange={(e) => setScope(e.target.value as Scope)}>
            {SCOPES.filter(([s]) => isAdmin || s !== "admin").map(([s, means]) => (
              <option key={s} value={s}>
                {s}: {means}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="Expires in" error={fieldError(create.error, "expires_in_days")}>
        {(aria) => (
          <Select {...aria} value={days} onChange={(e) => setDays(Number(e.target.value))}>
            {DAYS.map((d) => (
              <option key={d} value={d}>
                {d} days
              </option>
            ))}
          </Select>
        )}
      </Field>
      {rest && <Failed error={rest} />}
      <Button type="submit" size="md" className="self-end" disabled={!name.trim() || create.isPending}>
        Create token
      </Button>
    </form>
  );
}

export function TokensTab({ isAdmin }: { isAdmin: boolean }) {
  const tokens = useQuery(userQueries.tokens());
  const [isNew, setNew] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const revoke = useAct(revokeToken, { done: "Token revoked", changes: [["tokens"]] });
  const open = () => {
    setSecret(null);
    setNew(true);
  };
  return (
    <Card>
      <CardHeader title="Access tokens" hint="for scripts, notebooks and the command line">
        <Button onClick={open}>
          <Plus aria-hidden /> New token
        </Button>
      </CardHeader>
      <Loaded query={tokens} skeleton={<SkeletonRows rows={2} />}>
        {({ items }) =>
          items.length ? (
            <Table label="Access tokens">
              <thead>
                <tr>
                  <Th>Name</Th>
                  <Th>Scope</Th>
                  <Th>Last used</Th>
                  <Th>Expires</Th>
                  <Th>
                    <span className="sr-only">Revoke</span>
                  </Th>
                </tr>
              </thead>
              <tbody>
                {items.map((t) => (
                  <tr key={t.id}>
                    <Td className="font-medium">{t.name}</Td>
                    <Td>{t.scope}</Td>
                    <Td>{t.last_used_at ? <When at={t.last_used_at} /> : "never"}</Td>
                    <Td className="whitespace-nowrap">{t.expires_at ? exact(t.expires_at) : "never"}</Td>
                    <Td className="text-right">
                      <Button
                        variant="destructive"
                        aria-label={`Revoke ${t.name}`}
                        disabled={revoke.isPending}
                        onClick={() => revoke.mutate(t.id)}
                      >
                        Revoke
                      </Button>
                    </Td>
                  </tr>
                ))}
              </tbody>
            </Table>
          ) : (
            <Empty title="You have no tokens." icon={<KeyRound />}>
              A token lets a script or notebook act for you.
            </Empty>
          )
        }
      </Loaded>
      <Dialog open={isNew} onOpenChange={setNew} title="New access token">
        {secret ? (
          <SecretOnce secret={secret} hint="Copy it now: it is not shown again." />
        ) : (
          <Form isAdmin={isAdmin} done={setSecret} />
        )}
      </Dialog>
    </Card>
  );
}
