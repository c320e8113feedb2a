"""Bodies of configs."""

from __future__ import annotations

from typing import Any

from utp.api.errors import FieldProblem
from utp.api.schemas import Answer, Asked, Id, Name, Page, Text, Time


class ConfigCreate(Asked):
    """A named config to save."""

    project_id: Id
    name: Name
    description: Text = ""
    config: dict[str, Any]
    """Fields of `TrainConfig`; what is left out has its default."""


class ConfigPatch(Asked):
    """What to change; what is left out stays."""

    name: Name | None = None
    description: Text | None = None
    config: dict[str, Any] | None = None
    """All fields anew; refused once runs were started from it."""
    is_archived: bool | None = None


class ConfigClone(Asked):
    """A copy to make."""

    name: Name


class ConfigToValidate(Asked):
    """Fields to check without saving them."""

    config: dict[str, Any]


class Config(Answer):
    """One named config of a project."""

    id: Id
    project_id: Id
    name: str
    description: str
    config: dict[str, Any]
    """All fields of `TrainConfig`."""
    changed_fields: list[str]
    """Fields that differ from their defaults."""
    num_runs: int
    created_by: str
    created_at: Time
    updated_at: Time
    archived_at: Time | None


class ConfigPage(Page[Config]):
    """Named configs."""


class ConfigValidation(Answer):
    """What is to be said of a config."""

    is_valid: bool
    errors: list[FieldProblem]
    notes: list[FieldProblem]
    """What does not hinder a run, but may surprise."""
    run_base_name: str | None
    """Name that its runs get, before `-v1`, `-v2` ...; null for an invalid one."""
    resolved: dict[str, Any] | None
    """All fields, defaults filled in; null for an invalid one."""


class FieldDiff(Answer):
    """One field that differs; null also stands for a field that one of them does not have."""

    field: str
    a: Any
    b: Any


class ConfigDiff(Answer):
    """Where two configs differ."""

    fields: list[FieldDiff]


class ModelFlavour(Answer):
    """A model that a config can name without the network."""

    name: str
    doc: str


class RegistryEntry(Answer):
    """One part that a config may name."""

    name: str
    doc: str
    options_schema: dict[str, Any] | None
    """JSON Schema of its options; null where it has none."""
