"""Turns pydantic's errors into sentences that name the field, the value and the way out."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails


def describe_problems(error: ValidationError, config_class: type[Any], prefix: str = "") -> tuple[str, ...]:
    """One sentence per wrong field of `config_class`, in the order of the error."""
    properties: dict[str, Any] = TypeAdapter(config_class).json_schema().get("properties", {})
    problems: dict[str, ErrorDetails] = {}
    for problem in error.errors(include_url=False, include_context=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        # A union reports each of its members: the one that got furthest into the value is the one that was meant.
        if name not in problems or len(problem["loc"]) > len(problems[name]["loc"]):
            problems[name] = problem
    return tuple(prefix + _describe(name, problem, config_class, properties) for name, problem in problems.items())


def unknown_field(name: str, config_class: type[Any]) -> str:
    """Sentence for a name that is not a field of the dataclass `config_class`."""
    known = sorted(field.name for field in dataclasses.fields(config_class))
    hint = did_you_mean(name, known) or f"known fields: {', '.join(known)}"
    return f"{name}: is not a field of {config_class.__name__}; {hint}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Question for a misspelt name, or nothing where no known one is close."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def _describe(name: str, problem: ErrorDetails, config_class: type[Any], properties: dict[str, Any]) -> str:
    if problem["type"] == "missing":
        return f"{name}: is missing; {_way_out(name, properties.get(name, {}))}"
    if problem["type"] == "unexpected_keyword_argument":
        return unknown_field(name, config_class)
    if name.isdecimal():  # pydantic counts positional arguments
        return f"{config_class.__name__}: takes no positional values; write FIELD=VALUE"
    message = _lower_first(problem["msg"].removeprefix("Value error, ").replace("Input should", "should"))
    if name not in properties:
        return f"{name}: {message}" if name else message
    part = _part_of_value(problem["loc"], properties[name])
    return f"{name}{part}: {message}, got {_repr_short(problem['input'])}; {_way_out(name, properties[name])}"


def _part_of_value(location: tuple[int | str, ...], schema: dict[str, Any]) -> str:
    """Indices and keys into the value, as `[2]['cat']`; pydantic puts the member of a union before them."""
    members = [member for member in schema.get("anyOf", ()) if member.get("type") != "null"]
    inside = location[2:] if len(members) > 1 else location[1:]
    return "".join(f"[{item!r}]" for item in inside if item != "[key]")


def _way_out(name: str, schema: dict[str, Any]) -> str:
    help_text = " ".join(str(schema.get("description", "")).split("\n\n")[0].split()).rstrip(".")
    default = f" (default {schema['default']!r})" if "default" in schema else ""
    return f"{name} is: {_lower_first(help_text)}{default}" if help_text else f"correct {name}{default}"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _repr_short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
