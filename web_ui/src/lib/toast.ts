import { create } from "zustand";

export type Toast = { id: number; kind: "done" | "failed"; text: string; detail?: string };
let next = 1;

/** Short news at the corner of the page: what was done, or what failed in the server's words. */
export const useToasts = create<{ toasts: Toast[]; dismiss: (id: number) => void }>()((set) => ({
  toasts: [],
  dismiss: (id) => set((s) => ({ toasts: s.toasts.filter((t) => t.id !== id) })),
}));

export function toast(kind: Toast["kind"], text: string, detail?: string) {
  const id = next++;
  useToasts.setState((s) => ({ toasts: [...s.toasts.slice(-3), { id, kind, text, detail }] }));
  setTimeout(() => useToasts.getState().dismiss(id), kind === "done" ? 4000 : 12_000);
}
