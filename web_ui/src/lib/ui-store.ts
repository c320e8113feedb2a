import { create } from "zustand";
import { persist } from "zustand/middleware";

export type Theme = "dark" | "light" | "system";
export type XAxis = "step" | "epoch" | "time";
type Ui = {
  theme: Theme;
  smooth: number;
  logScale: boolean;
  xAxis: XAxis;
  selectedRuns: string[];
  set: (change: Partial<Pick<Ui, "theme" | "smooth" | "logScale" | "xAxis" | "selectedRuns">>) => void;
  toggleRun: (id: string) => void;
};

/** State of the interface alone: what the server knows is in the query cache, what can be linked to in the address. */
export const useUi = create<Ui>()(
  persist(
    (set) => ({
      theme: "system",
      smooth: 0.6,
      logScale: false,
      xAxis: "step",
      selectedRuns: [],
      set: (change) => set(change),
      toggleRun: (id) =>
        set((s) => ({
          selectedRuns: s.selectedRuns.includes(id)
            ? s.selectedRuns.filter((r) => r !== id)
            : [...s.selectedRuns, id],
        })),
    }),
    {
      name: "ui",
      partialize: ({ theme, smooth, logScale, xAxis }) => ({ theme, smooth, logScale, xAxis }),
    },
  ),
);
