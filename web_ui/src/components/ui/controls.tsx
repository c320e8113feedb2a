import { type ComponentProps, type ReactNode, useId } from "react";
import { cn } from "@/lib/cn";

const box =
  "rounded-md border border-input bg-background placeholder:text-muted-foreground aria-invalid:border-bad disabled:opacity-50";

export const Input = ({ className, ...props }: ComponentProps<"input">) => (
  <input className={cn(box, "h-8 w-full min-w-0 px-2.5", className)} {...props} />
);

export const Textarea = ({ className, ...props }: ComponentProps<"textarea">) => (
  <textarea className={cn(box, "min-h-20 w-full px-2.5 py-1.5", className)} {...props} />
);

export const Select = ({ className, ...props }: ComponentProps<"select">) => (
  <select className={cn(box, "h-8 min-w-0 cursor-pointer truncate px-2", className)} {...props} />
);

export const Checkbox = ({ className, ...props }: ComponentProps<"input">) => (
  <input
    type="checkbox"
    className={cn("size-3.5 cursor-pointer align-middle accent-primary", className)}
    {...props}
  />
);

export const Kbd = ({ children }: { children: ReactNode }) => (
  <kbd className="rounded border bg-muted px-1 font-mono text-[11px] text-muted-foreground leading-4">
    {children}
  </kbd>
);

type FieldProps = { label: string; hint?: ReactNode; error?: string; className?: string };
type Aria = { id: string; "aria-describedby": string; "aria-invalid": boolean };

/** A labelled control with its help, in whose place the error stands when there is one. */
export function Field({
  label,
  hint,
  error,
  className,
  children,
}: FieldProps & { children: (aria: Aria) => ReactNode }) {
  const id = useId();
  return (
    <div className={cn("flex flex-col gap-1", className)}>
      <label htmlFor={id} className="font-medium text-xs">
        {label}
      </label>
      {children({ id, "aria-describedby": `${id}-hint`, "aria-invalid": !!error })}
      <p id={`${id}-hint`} className={cn("text-xs", error ? "text-bad" : "text-muted-foreground")}>
        {error ?? hint}
      </p>
    </div>
  );
}
