"use client";
import { useQuery } from "@tanstack/react-query";
import { sessionQueries } from "@/lib/api/session";

/** Why nothing starts and no machine is there, where that is the whole reason. */
export function ClusterDown() {
  const meta = useQuery(sessionQueries.meta());
  if (!meta.data || meta.data.is_cluster_up) return null;
  return (
    <p role="status" className="mx-4 mb-3 rounded-md border border-warn/40 bg-warn/10 px-3 py-2 md:mx-6">
      The cluster is down: runs wait, and all their history is here. Start it with{" "}
      <code className="font-mono">utp up</code>.
    </p>
  );
}
