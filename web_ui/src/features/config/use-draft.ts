"use client";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { changed, check, defaults, type Schema, type Values } from "@/components/schema-form/schema";
import { type ConfigValues, configQueries } from "@/lib/api/configs";

const PAUSE_MS = 350;

function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const t = setTimeout(() => setSettled(value), PAUSE_MS);
    return () => clearTimeout(t);
  }, [value]);
  return settled;
}

/** A config as it is edited: one set of values behind form and JSON, checked here at once and by the server a moment later. */
export function useDraft(schema: Schema, start: ConfigValues) {
  const [values, setValues] = useState<Values>(() => ({ ...defaults(schema), ...start }));
  const own = useMemo(() => check(schema, values), [schema, values]);
  const written = useMemo(() => changed(schema, values), [schema, values]);
  const isSound = Object.keys(own).length === 0;
  const asked = useSettled(written);
  const server = useQuery({
    ...configQueries.check(asked),
    enabled: isSound,
    placeholderData: keepPreviousData,
  });
  const isCurrent = asked === written && !server.isPlaceholderData;
  const errors = useMemo(() => {
    const theirs = isSound && isCurrent ? (server.data?.errors ?? []) : [];
    const byField = theirs.map((e) => [e.field, [e.message, e.way_out].filter(Boolean).join("; ")]);
    return { ...Object.fromEntries(byField), ...own } as Record<string, string>;
  }, [own, server.data, isSound, isCurrent]);
  return {
    values,
    set: (field: string, value: unknown) => setValues((v) => ({ ...v, [field]: value })),
    replace: (all: Values) => setValues({ ...defaults(schema), ...all }),
    written,
    errors,
    notes: isSound ? (server.data?.notes ?? []) : [],
    runName: isSound ? server.data?.run_base_name : null,
    isChecking: isSound && (!isCurrent || server.isFetching),
    isValid: isSound && Object.keys(errors).length === 0,
  };
}
export type Draft = ReturnType<typeof useDraft>;
