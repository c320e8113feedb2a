"""Reads YAML and JSON as plain data, strictly: no key twice, no NaN or infinity, text where YAML 1.2 says text."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import yaml

from utp.errors import ConfigError

DOCUMENT_SUFFIXES = (".yaml", ".yml", ".json")


def read_document(path: Path) -> Any:
    """Return the data of a YAML or JSON file. Raises `ConfigError`, which names file and line, and `OSError`."""
    parse = _parse_json if path.suffix.lower() == ".json" else parse_yaml
    try:
        return parse(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        raise ConfigError((problem,), str(path)) from error
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError((f"{problem}; correct the YAML",), f"{path}{line}") from error
    except json.JSONDecodeError as error:
        raise ConfigError((f"{error.msg}; correct the JSON",), f"{path}:{error.lineno}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError((f"{error}; correct the file",), str(path)) from error


def parse_yaml(text: str) -> Any:
    """Return the data of one YAML document by the core schema of YAML 1.2. Raises `yaml.YAMLError` or `ValueError`."""
    return yaml.load(text, _CoreLoader)  # noqa: S506  it makes nothing but plain data


_IMPLICIT_TYPES = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "merge": r"<<",
}
"""What an unquoted scalar is: the core schema (https://yaml.org/spec/1.2.2/#103-core-schema), and `<<`."""

_RESOLVERS = {
    None: [(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{text})\Z")) for tag, text in _IMPLICIT_TYPES.items()]
}


class _CoreLoader(yaml.SafeLoader):
    """YAML 1.2: `1e-3` is a number; `no`, `on`, `1_000`, `12:30:00` and dates are text, unlike in YAML 1.1."""

    # Own tables, not additions to SafeLoader's: nothing of YAML 1.1 stays.
    yaml_implicit_resolvers: Any = _RESOLVERS
    yaml_constructors: ClassVar[Any] = {}

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a key that stands twice; PyYAML keeps the last one silently."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.composer.ComposerError(None, None, "a key has to be text", key.start_mark)
        if twice := _first_twice(key.value for key, _ in node.value):
            raise yaml.composer.ComposerError(None, None, f"the key {twice!r} stands there twice", node.start_mark)
        return node

    def construct_text(self, node: yaml.ScalarNode) -> str:
        return str(self.construct_scalar(node))

    def construct_null(self, node: yaml.ScalarNode) -> None:
        return None

    def construct_bool(self, node: yaml.ScalarNode) -> bool:
        return self.construct_text(node).lower() == "true"

    def construct_int(self, node: yaml.ScalarNode) -> int:
        text = self.construct_text(node)
        return int(text, {"0x": 16, "0o": 8}.get(text[:2], 10))

    def construct_float(self, node: yaml.ScalarNode) -> float:
        text = self.construct_text(node)
        try:
            return _finite(text)
        except ValueError:
            raise yaml.constructor.ConstructorError(
                None, None, f"{text} is not a finite number", node.start_mark
            ) from None

    def construct_list(self, node: yaml.SequenceNode) -> list[Any]:
        return [self.construct_object(item, deep=True) for item in node.value]

    def construct_dict(self, node: yaml.MappingNode) -> dict[str, Any]:
        """Keys are text, as in JSON: a class may be called `7` or `no`."""
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}


_CoreLoader.yaml_constructors.update(
    {
        "tag:yaml.org,2002:str": _CoreLoader.construct_text,
        "tag:yaml.org,2002:null": _CoreLoader.construct_null,
        "tag:yaml.org,2002:bool": _CoreLoader.construct_bool,
        "tag:yaml.org,2002:int": _CoreLoader.construct_int,
        "tag:yaml.org,2002:float": _CoreLoader.construct_float,
        "tag:yaml.org,2002:seq": _CoreLoader.construct_list,
        "tag:yaml.org,2002:map": _CoreLoader.construct_dict,
        None: _CoreLoader.construct_undefined,
    }
)


def _parse_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique_pairs, parse_float=_finite, parse_constant=_refuse_constant)


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if twice := _first_twice(key for key, _ in pairs):
        raise ValueError(f"the key {twice!r} stands there twice")
    return dict(pairs)


def _first_twice(keys: Iterable[str]) -> str | None:
    return next((key for key, count in Counter(keys).items() if count > 1), None)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a finite number")


def _finite(text: str) -> float:
    number = float(text)  # of ".inf" and ".nan" a ValueError, as of what is not finite
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number
