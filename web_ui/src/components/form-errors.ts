import { ApiError } from "@/lib/api/client";

/** The server's words for one field of a form, or undefined. */
export function fieldError(error: Error | null, field: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const found = error.problem.errors?.find((e) => e.field === field || e.field.endsWith(`.${field}`));
  return found && [found.message, found.way_out].filter(Boolean).join("; ");
}

/** What is wrong with the whole, when no field of the form shows it. */
export function formError(error: Error | null, fields: string[]): Error | null {
  return error && fields.some((f) => fieldError(error, f)) ? null : error;
}
