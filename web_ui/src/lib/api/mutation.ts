"use client";
import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { ApiError } from "@/lib/api/client";
import { toast } from "@/lib/toast";

export const failure = (e: Error) => ({
  text: e.message,
  detail: e instanceof ApiError ? (e.problem.way_out ?? undefined) : undefined,
});

/** An action on the server: says that it worked or, in the server's words, why not; then what it changed is read anew. */
export function useAct<In, Out>(
  act: (input: In) => Promise<Out>,
  {
    done,
    changes = [],
    onDone,
    isQuiet = false,
  }: {
    done?: string | ((out: Out, input: In) => string);
    changes?: QueryKey[];
    onDone?: (out: Out, input: In) => void;
    isQuiet?: boolean; // the form shows the failure itself
  } = {},
) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: act,
    onSuccess: (out, input) => {
      for (const queryKey of changes) void client.invalidateQueries({ queryKey });
      if (done) toast("done", typeof done === "string" ? done : done(out, input));
      onDone?.(out, input);
    },
    onError: (e) => {
      const { text, detail } = failure(e);
      if (!isQuiet) toast("failed", text, detail);
    },
  });
}
