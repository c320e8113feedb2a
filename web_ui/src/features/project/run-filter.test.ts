import { expect, it } from "vitest";
import { aRun } from "@/test/a-run";
import { matches, parseFilter } from "./run-filter";

it("tells the server's words from comparisons", () => {
  expect(parseFilter("state:running,queued lr>1e-4 resnet tag:final 18 val_acc@1>=0.9")).toEqual({
    state: "running,queued",
    tag: "final",
    q: "resnet 18",
    comparisons: [
      { field: "lr", op: ">", value: "1e-4" },
      { field: "val_acc@1", op: ">=", value: "0.9" },
    ],
  });
});

const run = aRun({ highlights: { lr: 3e-4, loss: "focal" }, metrics: { "val_acc@1": 0.9 }, epoch: 7 });
it.each([
  ["lr>1e-4", true],
  ["lr<1e-4", false],
  ["lr=0.0003", true],
  ["loss=focal", true],
  ["loss!=focal", false],
  ["val_acc@1>=0.9", true],
  ["epoch<=6", false],
  ["nothing>1", false],
])("%s holds: %s", (text, isIn) => expect(matches(run, parseFilter(text).comparisons)).toBe(isIn));
