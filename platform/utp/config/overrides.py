"""One `FIELD=VALUE` of `--set`: which field it means and what its text is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import yaml
from pydantic import TypeAdapter

from utp.config.documents import parse_yaml
from utp.config.problems import unknown_field
from utp.config.train import TrainConfig
from utp.errors import ConfigError

SOURCE = "--set"


def assign(values: Mapping[str, Any], assignment: str) -> dict[str, Any]:
    """Return the field values with `FIELD=VALUE` or `FIELD.KEY=VALUE` applied; the value itself is not checked.

    Raises:
        ConfigError: no `=`, an unknown field, a key where there are none, or a value that is not YAML.
    """
    left, equals, text = assignment.partition("=")
    name, dot, key = left.strip().partition(".")
    if not equals:
        raise ConfigError((f"{assignment!r} has no `=`; write FIELD=VALUE",), SOURCE)
    if name not in values:
        raise ConfigError((unknown_field(name, TrainConfig),), SOURCE)
    if not dot:
        return {**values, name: _parse_field(name, text.strip())}
    if not key or "object" not in _kinds()[name]:
        raise ConfigError((f"{name}.{key}: {name} has no keys; write {name}=VALUE",), SOURCE)
    present = values[name] if isinstance(values[name], dict) else {}
    return {**values, name: {**present, key: _parse_value(left, text)}}


def _parse_field(name: str, text: str) -> Any:
    kinds = _kinds()[name]
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    if "string" in kinds and not is_quoted:  # `run_name=7`, `root=photos #2`
        return None if "null" in kinds and text in ("null", "~") else text
    return _parse_value(name, text)


def _parse_value(left: str, text: str) -> Any:
    try:
        return parse_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or error
        raise ConfigError((f"{left}: {text!r} is not YAML ({problem}); quote it",), SOURCE) from error


@lru_cache(maxsize=1)
def _kinds() -> dict[str, frozenset[str]]:
    """JSON types that each field takes: `string`, `object`, `null`, ..."""
    properties: dict[str, Any] = TypeAdapter(TrainConfig).json_schema()["properties"]
    return {
        name: frozenset(str(kind.get("type")) for kind in schema.get("anyOf", [schema]))
        for name, schema in properties.items()
    }
