import { render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { LoginPage, nextPath } from "./login-page";

afterEach(() => vi.unstubAllGlobals());

it.each([
  ["?next=%2Fprojects%2F1", "/projects/1"],
  ["?next=https%3A%2F%2Fevil.example", "/"],
  ["?next=%2F%2Fevil.example", "/"],
  ["?next=%2F%5Cevil.example", "/"],
  ["", "/"],
])("after a login with %s it goes to %s", (search, path) => expect(nextPath(search)).toBe(path));

it("shows the server's words when a link is used up, and takes the code out of the address", async () => {
  const fetch = vi.fn(async (_: Request) =>
    Response.json(
      { status: 401, detail: "This link was used already.", way_out: "Ask for a new one." },
      { status: 401 },
    ),
  );
  vi.stubGlobal("fetch", fetch);
  window.history.replaceState(null, "", "/login#code=abc");
  render(<LoginPage />);
  expect(await screen.findByText("This link was used already.")).toBeInTheDocument();
  expect(screen.getByText("Ask for a new one.")).toBeInTheDocument();
  expect(window.location.hash).toBe("");
  expect(await fetch.mock.calls[0]?.[0].json()).toEqual({ code: "abc" });
});
