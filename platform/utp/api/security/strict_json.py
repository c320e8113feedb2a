"""JSON that every parser reads alike and every database takes; anything else is refused before it gets further."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_DEPTH = 64
MAX_DIGITS = 40


def check_json(body: bytes) -> None:
    """Raise `ValueError` for repeated keys, NaN, infinity, endless depth or digits, NUL, halves of characters."""
    text = body.decode("utf-8")
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    value = json.loads(
        text,
        object_pairs_hook=_refuse_repeated,
        parse_constant=_refuse_constant,
        parse_float=_parse_float,
        parse_int=_parse_int,
    )
    if "\\u0000" in text or "\\ud" in text.lower():
        _check_texts(value)


def _check_texts(value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a text in it holds NUL")
        value.encode()  # half a character: UnicodeEncodeError is a ValueError
    for part in (*value, *value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_texts(part)


def _check_depth(text: str) -> None:
    depth = 0
    is_text = is_escaped = False
    for letter in text:
        if is_escaped:
            is_escaped = False
        elif letter == "\\":
            is_escaped = is_text
        elif letter == '"':
            is_text = not is_text
        elif is_text:
            continue
        elif letter in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"it is nested deeper than {MAX_DEPTH}")
        elif letter in "]}":
            depth -= 1


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r:.60} stands there twice")
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _parse_float(text: str) -> None:
    if float(text) in (float("inf"), float("-inf")):
        raise ValueError(f"{text:.40} is beyond what a number can hold")


def _parse_int(text: str) -> None:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits is beyond what is taken")
