import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { expect, it } from "vitest";
import { changed, check, defaults, type Schema, type Values } from "./schema";
import type { Offer } from "./schema-field";
import { SchemaForm } from "./schema-form";

const schema: Schema = {
  required: ["root"],
  properties: {
    root: { type: "string", minLength: 1, "x-group": "data", description: "Folder of the dataset." },
    batch_size: { type: "integer", minimum: 1, default: 32, "x-group": "data" },
    lr: { type: "number", exclusiveMinimum: 0, default: 3e-4, "x-group": "optimization" },
    freeze: { type: "boolean", default: false, "x-group": "model" },
    loss: { type: "string", default: "cross_entropy", "x-group": "optimization" },
    topk: { type: "array", items: { type: "integer" }, default: [1, 5], "x-group": "evaluation" },
  },
};

const OFFERS: Record<string, Offer> = {
  root: { isOpen: true, choices: [{ name: "digits", doc: "Dataset of digits." }] },
  loss: {
    isOpen: false,
    choices: ["cross_entropy", "focal"].map((name) => ({ name, doc: `Loss ${name}.` })),
  },
};

function Form() {
  const [values, setValues] = useState<Values>(defaults(schema));
  return (
    <>
      <SchemaForm
        schema={schema}
        values={values}
        errors={check(schema, values)}
        offers={(field) => OFFERS[field]}
        show={() => true}
        onChange={(k, v) => setValues({ ...values, [k]: v })}
      />
      <output>{JSON.stringify(changed(schema, values))}</output>
    </>
  );
}

it("takes typed numbers, lists and ticks, and keeps half-typed text in sight", async () => {
  const user = userEvent.setup();
  render(<Form />);
  await user.type(screen.getByLabelText("root"), "digits");
  await user.clear(screen.getByLabelText("lr"));
  await user.type(screen.getByLabelText("lr"), "1e-");
  expect(screen.getByLabelText("lr")).toHaveValue("1e-");
  expect(screen.getByText("lr must be a number")).toBeInTheDocument();
  await user.type(screen.getByLabelText("lr"), "4");
  await user.clear(screen.getByLabelText("topk"));
  await user.type(screen.getByLabelText("topk"), "1, 3");
  await user.click(screen.getByLabelText("freeze"));
  expect(screen.getByRole("status")).toHaveTextContent(
    '{"root":"digits","lr":0.0001,"freeze":true,"topk":[1,3]}',
  );
});

it("says at the field what is wrong, and puts a default back", async () => {
  const user = userEvent.setup();
  render(<Form />);
  const box = screen.getByLabelText("batch_size");
  await user.clear(box);
  await user.type(box, "0");
  expect(box).toHaveAccessibleDescription("batch_size must be at least 1");
  expect(box).toHaveAttribute("aria-invalid", "true");
  await user.click(screen.getByRole("button", { name: "batch_size back to its default" }));
  expect(screen.getByLabelText("batch_size")).toHaveValue("32");
});

it("lets one choose among the names that are known, and type others where others can be", async () => {
  const user = userEvent.setup();
  render(<Form />);
  await user.selectOptions(screen.getByLabelText("loss"), "focal");
  expect(screen.getByLabelText("loss")).toHaveAccessibleDescription("Loss focal.");
  await user.type(screen.getByLabelText("root"), "digits");
  expect(screen.getByLabelText("root")).toHaveAccessibleDescription("Dataset of digits.");
  await user.type(screen.getByLabelText("root"), "2");
  expect(screen.getByRole("status")).toHaveTextContent('{"root":"digits2","loss":"focal"}');
});
