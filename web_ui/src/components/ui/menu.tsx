"use client";
import { DropdownMenu as M } from "radix-ui";
import type { ComponentProps, ReactNode } from "react";
import { cn } from "@/lib/cn";

/** Not modal: locking the scroll of the page injects a style, which the CSP refuses. */
export function Menu({ trigger, children }: { trigger: ReactNode; children: ReactNode }) {
  return (
    <M.Root modal={false}>
      <M.Trigger asChild>{trigger}</M.Trigger>
      <M.Portal>
        <M.Content
          align="end"
          sideOffset={4}
          className="z-30 max-h-[70dvh] min-w-44 overflow-auto rounded-md border bg-popover p-1 shadow-lg"
        >
          {children}
        </M.Content>
      </M.Portal>
    </M.Root>
  );
}

const row =
  "flex cursor-pointer items-center gap-2 rounded px-2 py-1 outline-none data-[highlighted]:bg-accent data-[disabled]:opacity-50 [&_svg]:size-3.5";
export const MenuItem = ({ className, ...props }: ComponentProps<typeof M.Item>) => (
  <M.Item className={cn(row, className)} {...props} />
);
export function MenuTick({
  checked,
  onChange,
  children,
}: {
  checked: boolean;
  onChange: () => void;
  children: ReactNode;
}) {
  return (
    <M.CheckboxItem
      checked={checked}
      onCheckedChange={onChange}
      onSelect={(e) => e.preventDefault()}
      className={row}
    >
      <span aria-hidden className="w-3 text-primary">
        {checked ? "✓" : ""}
      </span>
      {children}
    </M.CheckboxItem>
  );
}
export const MenuLine = () => <M.Separator className="my-1 h-px bg-border" />;
export const MenuLabel = ({ children }: { children: ReactNode }) => (
  <M.Label className="px-2 py-1 text-muted-foreground text-xs">{children}</M.Label>
);
