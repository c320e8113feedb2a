"use client";
import { useCallback, useEffect, useState } from "react";
import { Failed } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/controls";
import { logIn } from "@/lib/api/session";
import { useTitle } from "@/lib/nav";

/** Where to go after the login: a path of this site, never another one. */
export function nextPath(search: string): string {
  const next = new URLSearchParams(search).get("next") ?? "/";
  return /^\/(?![/\\])/.test(next) ? next : "/";
}

/** The code of a login link stands in the fragment, which no server or proxy ever writes into a log. */
const codeInAddress = () => new URLSearchParams(window.location.hash.slice(1)).get("code") ?? "";

export function LoginPage() {
  const [code, setCode] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setBusy] = useState(false);
  useTitle("Log in");
  const enter = useCallback(async (secret: string) => {
    setBusy(true);
    setError(null);
    try {
      await logIn(secret.trim());
      window.location.replace(nextPath(window.location.search)); // a fresh document: nothing of before is kept
    } catch (e) {
      setError(e as Error);
      setBusy(false);
    }
  }, []);
  useEffect(() => {
    const given = codeInAddress();
    if (!given) return;
    window.history.replaceState(null, "", window.location.pathname + window.location.search);
    void enter(given);
  }, [enter]);
  return (
    <main className="mx-auto flex min-h-dvh max-w-md flex-col justify-center gap-4 px-4 py-12">
      <h1 className="font-semibold text-xl">Log in to UTP</h1>
      <p className="text-muted-foreground">
        Open the link that <code className="font-mono">utp up</code> printed or that an admin sent you. Or
        paste its code, or one of your access tokens.
      </p>
      {error && <Failed error={error} />}
      <form
        className="flex flex-col gap-3"
        onSubmit={(e) => {
          e.preventDefault();
          void enter(code);
        }}
      >
        <Field label="Code or access token" hint="Never shown, and not kept by this page.">
          {(aria) => (
            <Input
              {...aria}
              type="password"
              autoComplete="current-password"
              value={code}
              onChange={(e) => setCode(e.target.value)}
            />
          )}
        </Field>
        <Button type="submit" size="md" disabled={!code.trim() || isBusy}>
          {isBusy ? "Logging in…" : "Log in"}
        </Button>
      </form>
    </main>
  );
}
