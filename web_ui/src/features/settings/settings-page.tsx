"use client";
import { useQuery } from "@tanstack/react-query";
import { PageHeader } from "@/components/page-header";
import { Loaded } from "@/components/states";
import { SkeletonRows } from "@/components/ui/skeleton";
import { Tabs, TabsContent, TabsList, TabsTrigger } from "@/components/ui/tabs";
import { AuditTab } from "@/features/settings/audit-tab";
import { TokensTab } from "@/features/settings/tokens-tab";
import { UsersTab } from "@/features/settings/users-tab";
import { sessionQueries } from "@/lib/api/session";
import { useQueryState, useTitle } from "@/lib/nav";

export function SettingsPage() {
  const me = useQuery(sessionQueries.me());
  const meta = useQuery(sessionQueries.meta());
  const [tab, setTab] = useQueryState("tab", "tokens");
  useTitle("Settings");
  return (
    <>
      <PageHeader
        title="Settings"
        meta={<p className="text-muted-foreground">{meta.data && `UTP ${meta.data.version}`}</p>}
      />
      <div className="px-4 pb-6 md:px-6">
        <Loaded query={me} skeleton={<SkeletonRows />}>
          {(user) => (
            <Tabs value={tab} onValueChange={setTab}>
              <TabsList>
                <TabsTrigger value="tokens">Access tokens</TabsTrigger>
                {user.role === "admin" && <TabsTrigger value="users">Users</TabsTrigger>}
                {user.role === "admin" && <TabsTrigger value="audit">Audit</TabsTrigger>}
              </TabsList>
              <TabsContent value="tokens">
                <TokensTab isAdmin={user.role === "admin"} />
              </TabsContent>
              {user.role === "admin" && (
                <>
                  <TabsContent value="users">
                    <UsersTab meId={user.id} />
                  </TabsContent>
                  <TabsContent value="audit">
                    <AuditTab />
                  </TabsContent>
                </>
              )}
            </Tabs>
          )}
        </Loaded>
      </div>
    </>
  );
}
