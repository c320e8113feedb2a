import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { ConfusionMatrix, classOrder } from "./confusion-matrix";

const confusion = [
  [8, 1, 1],
  [5, 5, 0],
  [0, 0, 10],
];

it("puts the classes with the most mistakes first when asked", () => {
  expect(classOrder(confusion, "given")).toEqual([0, 1, 2]);
  expect(classOrder(confusion, "errors")).toEqual([1, 0, 2]);
});

it("a cell opens the images of its true and predicted class; an empty one opens nothing", async () => {
  const open = vi.fn();
  render(<ConfusionMatrix labels={["cat", "dog", "hen"]} confusion={confusion} open={open} />);
  await userEvent.click(screen.getByRole("button", { name: "50, dog taken for cat: 5" }));
  expect(open).toHaveBeenCalledWith({ true: 1, predicted: 0 });
  expect(screen.getByRole("button", { name: "hen taken for dog: 0" })).toBeDisabled();
});
