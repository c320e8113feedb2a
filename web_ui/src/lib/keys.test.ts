import { expect, it, vi } from "vitest";
import { makeKeyListener } from "./keys";

const press = (key: string, target: HTMLElement = document.body, more: KeyboardEventInit = {}) => {
  const e = new KeyboardEvent("keydown", { key, cancelable: true, ...more });
  Object.defineProperty(e, "target", { value: target });
  return e;
};

it("runs single keys and chords, the newest registration of a key first", () => {
  const [old, fresh, projects] = [vi.fn(), vi.fn(), vi.fn()];
  const key = (combo: string, run: () => void) => ({ combo, run, label: "", group: "" });
  const listen = makeKeyListener(() => [key("j", old), key("j", fresh), key("g p", projects)]);
  listen(press("j"));
  listen(press("g"));
  listen(press("p"));
  expect([old.mock.calls.length, fresh.mock.calls.length, projects.mock.calls.length]).toEqual([0, 1, 1]);
});

it("forgets the first key of a chord after a while, and leaves typing and shortcuts of the browser alone", () => {
  const run = vi.fn();
  let now = 0;
  const listen = makeKeyListener(
    () => [
      { combo: "g p", run, label: "", group: "" },
      { combo: "x", run, label: "", group: "" },
    ],
    () => now,
  );
  listen(press("g"));
  now = 5000;
  listen(press("p"));
  listen(press("x", document.createElement("input")));
  listen(press("x", document.body, { ctrlKey: true }));
  expect(run).not.toHaveBeenCalled();
});

it("leaves Enter to a button that has the focus", () => {
  const run = vi.fn();
  const listen = makeKeyListener(() => [{ combo: "Enter", run, label: "", group: "" }]);
  const onButton = press("Enter", document.createElement("button"));
  listen(onButton);
  expect([run.mock.calls.length, onButton.defaultPrevented]).toEqual([0, false]);
  listen(press("Enter"));
  expect(run).toHaveBeenCalledTimes(1);
});
