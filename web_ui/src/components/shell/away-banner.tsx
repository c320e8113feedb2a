"use client";
import { useQueryClient } from "@tanstack/react-query";
import { CloudOff } from "lucide-react";
import { useEffect } from "react";
import { api } from "@/lib/api/client";
import { live } from "@/lib/live/socket";
import { useServerState } from "@/lib/server-state";

const PROBE_MS = 3000;
const probe = () => void api.GET("/api/v1/meta").catch(() => undefined);

/** Said once for the whole page while nothing answers; when the server is back, what is shown is read anew. */
export function AwayBanner() {
  const { isAway, lastAnswerAt } = useServerState();
  const client = useQueryClient();
  // A page that asks for nothing hears of it from the socket.
  useEffect(() => live().onStatus(() => live().getStatus() === "closed" && probe()), []);
  useEffect(() => {
    if (!isAway) return;
    const timer = setInterval(probe, PROBE_MS);
    return () => {
      clearInterval(timer);
      void client.invalidateQueries();
    };
  }, [isAway, client]);
  if (!isAway) return null;
  const at =
    lastAnswerAt &&
    new Date(lastAnswerAt).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return (
    <div role="status" className="flex items-center gap-2 border-warn/40 border-b bg-warn/10 px-4 py-1.5">
      <CloudOff aria-hidden className="size-4 shrink-0 text-warn" />
      <span>
        The server does not answer; trying again. {at && <>What is shown is as of {at}.</>} Runs go on without
        it.
      </span>
    </div>
  );
}
