"""What a command says of the machines that a run asks for: options of its own, and any field by `FIELD=VALUE`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import yaml
from pydantic import ValidationError

from utp.config.documents import parse_yaml
from utp.config.problems import describe_problems
from utp.config.request import RunRequest
from utp.errors import ConfigError

SOURCE = "--request"
REQUEST_FIELDS = tuple(one.name for one in fields(RunRequest))


def build_request(assignments: Sequence[str], **options: Any) -> RunRequest:
    """Return the request of these options, with each `FIELD=VALUE` over them. Raises `ConfigError`."""
    values = {**options, **dict(map(_read, assignments))}
    try:
        return RunRequest(**values)
    except ValidationError as error:
        raise ConfigError(describe_problems(error, RunRequest)) from error


def _read(assignment: str) -> tuple[str, Any]:
    name, equals, text = assignment.partition("=")
    if not equals:
        raise ConfigError((f"{assignment!r} has no `=`; write FIELD=VALUE",), SOURCE)
    try:
        return name.strip(), parse_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError((f"{name}: {text!r} is not YAML; quote it",), SOURCE) from error
