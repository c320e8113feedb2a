import { expect, it } from "vitest";
import { changed, check, defaults, flatten, type Schema } from "./schema";

const schema: Schema = {
  required: ["root"],
  properties: {
    root: { type: "string", minLength: 1 },
    batch_size: { type: "integer", minimum: 1, default: 32 },
    lr: { type: "number", exclusiveMinimum: 0, default: 3e-4 },
    loss: { type: "string", default: "cross_entropy" },
    dtype: { type: "string", enum: ["bfloat16", "float32"], default: "bfloat16" },
    image_size: { anyOf: [{ type: "integer", minimum: 8 }, { type: "null" }], default: null },
    eval_topk: { type: "array", items: { type: "integer" }, default: [1, 5] },
    cap: {
      anyOf: [{ type: "integer" }, { type: "array", items: { type: "integer" } }, { type: "null" }],
      default: null,
    },
    options: { type: "object" },
  },
};

it.each([
  [{ batch_size: 0 }, "batch_size", "must be at least 1"],
  [{ batch_size: 1.5 }, "batch_size", "must be a whole number"],
  [{ lr: 0 }, "lr", "must be above 0"],
  [{ lr: null }, "lr", "is needed"],
  [{ dtype: "int8" }, "dtype", "must be one of bfloat16, float32"],
  [{ root: "" }, "root", "is needed"],
  [{ image_size: 4 }, "image_size", "must be at least 8"],
  [{ bach_size: 1 }, "bach_size", "is no field of a config"],
])("%o: %s %s", (change, field, message) => {
  expect(check(schema, { ...defaults(schema), root: "data", ...change })[field]).toBe(message);
});

it("finds nothing wrong with the defaults once the needed fields are there", () => {
  expect(check(schema, { ...defaults(schema), root: "data" })).toEqual({});
});

it("keeps of a config what differs from the defaults, and unknown fields so that they are refused", () => {
  expect(
    changed(schema, { ...defaults(schema), root: "data", lr: 1e-3, eval_topk: [1, 5], options: {}, typo: 1 }),
  ).toEqual({
    root: "data",
    lr: 1e-3,
    typo: 1,
  });
});

it("edits unions of several types as JSON", () => {
  expect(Object.entries(schema.properties).map(([k, p]) => `${k}:${flatten(p).kind}`)).toEqual([
    "root:text",
    "batch_size:integer",
    "lr:number",
    "loss:text",
    "dtype:enum",
    "image_size:integer",
    "eval_topk:list",
    "cap:json",
    "options:json",
  ]);
});
