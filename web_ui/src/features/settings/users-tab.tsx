"use client";
import { useQuery } from "@tanstack/react-query";
import { Link2, Plus } from "lucide-react";
import { useState } from "react";
import { fieldError, formError } from "@/components/form-errors";
import { Failed, Loaded } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Input, Select } from "@/components/ui/controls";
import { Dialog } from "@/components/ui/dialog";
import { SkeletonRows } from "@/components/ui/skeleton";
import { Table, Td, Th } from "@/components/ui/table";
import { SecretOnce } from "@/features/settings/secret-once";
import { useAct } from "@/lib/api/mutation";
import { inviteUser, newLoginLink, type Role, type User, updateUser, userQueries } from "@/lib/api/users";

const ROLES: Role[] = ["admin", "member", "viewer"];
type Link = { name: string; url: string };

function Invite({ done }: { done: (link: Link) => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("member");
  const invite = useAct(
    async (body: { name: string; role: Role }) => {
      const user = await inviteUser(body);
      return { name: user.name, url: (await newLoginLink(user.id)).url };
    },
    { isQuiet: true, changes: [["users"]], onDone: done },
  );
  const rest = formError(invite.error, ["name", "role"]);
  return (
    <form
      className="flex flex-col gap-3"
      onSubmit={(e) => {
        e.preventDefault();
        invite.mutate({ name: name.trim(), role });
      }}
    >
      <Field label="Name" error={fieldError(invite.error, "name")}>
        {(aria) => <Input {...aria} value={name} onChange={(e) => setName(e.target.value)} />}
      </Field>
      <Field
        label="Role"
        error={fieldError(invite.error, "role")}
        hint="Viewers read; members train; admins also manage users and machines."
      >
        {(aria) => <RoleSelect {...aria} value={role} onChange={setRole} />}
      </Field>
      {rest && <Failed error={rest} />}
      <Button type="submit" size="md" className="self-end" disabled={!name.trim() || invite.isPending}>
        Invite
      </Button>
    </form>
  );
}

function RoleSelect({
  value,
  onChange,
  ...aria
}: {
  value: Role;
  onChange: (r: Role) => void;
  id?: string;
  "aria-label"?: string;
  disabled?: boolean;
}) {
  return (
    <Select {...aria} value={value} onChange={(e) => onChange(e.target.value as Role)}>
      {ROLES.map((r) => (
        <option key={r}>{r}</option>
      ))}
    </Select>
  );
}

function UserRow({ user: u, isMe, showLink }: { user: User; isMe: boolean; showLink: (l: Link) => void }) {
  const update = useAct(updateUser, { done: `${u.name} changed`, changes: [["users"]] });
  const link = useAct(newLoginLink, { onDone: ({ url }) => showLink({ name: u.name, url }) });
  return (
    <tr>
      <Td className="font-medium">
        {u.name} {isMe && <Badge>you</Badge>} {u.is_disabled && <Badge tone="warn">disabled</Badge>}
      </Td>
      <Td>
        <RoleSelect
          aria-label={`Role of ${u.name}`}
          value={u.role}
          disabled={isMe || update.isPending}
          onChange={(role) => update.mutate({ id: u.id, role })}
        />
      </Td>
      <Td className="whitespace-nowrap text-right">
        <Button variant="ghost" disabled={u.is_disabled || link.isPending} onClick={() => link.mutate(u.id)}>
          <Link2 aria-hidden /> Login link
        </Button>
        <Button
          variant="ghost"
          disabled={isMe || update.isPending}
          onClick={() => update.mutate({ id: u.id, is_disabled: !u.is_disabled })}
        >
          {u.is_disabled ? "Enable" : "Disable"}
        </Button>
      </Td>
    </tr>
  );
}

export function UsersTab({ meId }: { meId: string }) {
  const users = useQuery(userQueries.list());
  const [isNew, setNew] = useState(false);
  const [link, setLink] = useState<Link | null>(null);
  const close = () => {
    setNew(false);
    setLink(null);
  };
  return (
    <Card>
      <CardHeader title="Users">
        <Button onClick={() => setNew(true)}>
          <Plus aria-hidden /> Invite
        </Button>
      </CardHeader>
      <Loaded query={users} skeleton={<SkeletonRows rows={3} />}>
        {({ items }) => (
          <Table label="Users">
            <thead>
              <tr>
                <Th>Name</Th>
                <Th>Role</Th>
                <Th>
                  <span className="sr-only">Actions</span>
                </Th>
              </tr>
            </thead>
            <tbody>
              {items.map((u) => (
                <UserRow key={u.id} user={u} isMe={u.id === meId} showLink={setLink} />
              ))}
            </tbody>
          </Table>
        )}
      </Loaded>
      <Dialog
        open={isNew || link !== null}
        onOpenChange={(o) => !o && close()}
        title={link ? `Login link of ${link.name}` : "Invite a user"}
      >
        {link ? (
          <SecretOnce secret={link.url} hint="It works once. Send it by a way that only this person reads." />
        ) : (
          <Invite done={setLink} />
        )}
      </Dialog>
    </Card>
  );
}
