"""Turns pydantic's errors into sentences that name the field, the value and the way out."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError


def describe_problems(error: ValidationError, config_class: type[Any], prefix: str = "") -> tuple[str, ...]:
    """One sentence per wrong field of `config_class`, in the order of the error."""
    properties: dict[str, Any] = TypeAdapter(config_class).json_schema().get("properties", {})
    sentences: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_context=False):
        location = problem["loc"]
        name = str(location[0]) if location else ""
        if problem["type"] in ("unexpected_keyword_argument", "missing") or name not in properties:
            sentences[name] = prefix + _shape_problem(name, problem["type"], problem["msg"], config_class, properties)
        elif name in sentences:  # one sentence a field: a union reports each of its members
            continue
        else:
            message = _lower_first(problem["msg"].removeprefix("Value error, ").replace("Input should", "should"))
            part = "".join(f"[{item!r}]" for item in location[1:] if _is_element(item))
            value = _repr_short(problem["input"])
            sentences[name] = f"{prefix}{name}{part}: {message}, got {value}; {_way_out(name, properties[name])}"
    return tuple(sentences.values())


def unknown_field(name: str, config_class: type[Any]) -> str:
    """Sentence for a name that is not a field of the dataclass `config_class`."""
    known = sorted(field.name for field in dataclasses.fields(config_class))
    hint = did_you_mean(name, known) or f"known fields: {', '.join(known)}"
    return f"{name}: is not a field of {config_class.__name__}; {hint}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Question for a misspelt name, or nothing where no known one is close."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def _shape_problem(name: str, kind: str, message: str, config_class: type[Any], properties: dict[str, Any]) -> str:
    if kind == "missing":
        return f"{name}: is missing; {_way_out(name, properties.get(name, {}))}"
    if kind == "unexpected_keyword_argument":
        return unknown_field(name, config_class)
    if name.isdecimal():  # pydantic counts positional arguments
        return f"{config_class.__name__}: takes no positional values; write FIELD=VALUE"
    return f"{name}: {message}" if name else message


def _way_out(name: str, schema: dict[str, Any]) -> str:
    help_text = str(schema.get("description", "")).split("\n\n")[0].rstrip(".")
    default = f" (default {schema['default']!r})" if "default" in schema else ""
    return f"{name} is: {_lower_first(help_text)}{default}" if help_text else f"correct {name}{default}"


def _is_element(item: Any) -> bool:
    """Whether a part of pydantic's location is an index or key of the value, not the name of a type it tried."""
    return isinstance(item, int) or (isinstance(item, str) and item.isidentifier() and item not in _TYPE_NAMES)


_TYPE_NAMES = frozenset({"int", "str", "float", "bool", "tuple", "dict", "list", "none"})


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _repr_short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
