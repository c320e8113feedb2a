"""What can be said of a `TrainConfig` without training: its schema, its problems, what differs from the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from utp.api.configs.schemas import ConfigValidation, FieldDiff, RegistryEntry
from utp.api.errors import FieldProblem, InvalidRequest, field_problems
from utp.config.field_groups import FIELD_GROUPS, REST, group_of
from utp.config.loading import dump_config, parse_config
from utp.config.naming import base_name
from utp.config.paths import checkpoints_root, dataset_root, runs_root
from utp.config.train import TrainConfig
from utp.core.catalog import REGISTRIES, check_config
from utp.errors import ConfigError, PathRefused
from utp.settings import Settings

_REQUIRED = ("root", "model_flavour")


@lru_cache(maxsize=1)
def config_schema() -> dict[str, Any]:
    """Return the JSON Schema of `TrainConfig`, each field with its group (`x-group`) and place in the form."""
    schema: dict[str, Any] = TypeAdapter(TrainConfig).json_schema()
    for order, (field, inner) in enumerate(schema["properties"].items()):
        inner["x-group"] = group_of(field)
        inner["x-order"] = order
        if field in REGISTRIES:
            inner["x-registry"] = field
    schema["x-groups"] = [*FIELD_GROUPS, REST]
    return schema


@lru_cache(maxsize=1)
def registries() -> dict[str, list[RegistryEntry]]:
    """Return the parts of every kind that a config may name."""
    return {kind: [_entry(kind, name) for name in registry.names()] for kind, registry in REGISTRIES.items()}


def require_config(values: Mapping[str, Any], settings: Settings) -> TrainConfig:
    """Return a config that can be trained, its paths beneath their mounts. Raises `ConfigError`, `PathRefused`."""
    config = parse_config(values)
    _check_parts(config)
    for resolve, path in (
        (dataset_root, config.root),
        (runs_root, config.tb_root),
        (checkpoints_root, config.ckpt_dir),
    ):
        resolve(path, settings)
    return config


def validate(values: Mapping[str, Any], settings: Settings) -> ConfigValidation:
    """Return all that is wrong with the fields, and what may surprise."""
    try:
        config = require_config(values, settings)
    except ConfigError as error:
        return _invalid(field_problems(error.problems))
    except PathRefused as error:
        return _invalid([FieldProblem(field=error.field, value=error.value, message=error.reason)])
    return ConfigValidation(
        is_valid=True,
        errors=[],
        notes=_notes(config, settings),
        run_base_name=base_name(config),
        resolved=dump_config(config),
    )


def changed_fields(config: Mapping[str, Any]) -> list[str]:
    """Return the fields that differ from their defaults."""
    defaults = _defaults()
    return [field for field, value in config.items() if field in _REQUIRED or value != defaults.get(field)]


def diff_configs(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[FieldDiff]:
    """Return the fields whose values differ."""
    names = [*a, *(name for name in b if name not in a)]
    return [FieldDiff(field=name, a=a.get(name), b=b.get(name)) for name in names if a.get(name) != b.get(name)]


def override(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with some replaced. Raises `InvalidRequest` for a name that is no field."""
    known = config_schema()["properties"]
    for name in overrides:
        if name not in known:
            raise InvalidRequest(f"overrides.{name}", name, "is not a field of TrainConfig", "see /configs/schema")
    return {**config, **overrides}


@lru_cache(maxsize=1)
def _defaults() -> dict[str, Any]:
    return dump_config(TrainConfig(root="-", model_flavour="-"))


def _check_parts(config: TrainConfig) -> None:
    """Check the names of parts; plug-ins may bring names that only the run's own process knows."""
    try:
        check_config(config)
    except ConfigError:
        if not config.plugins:
            raise


def _notes(config: TrainConfig, settings: Settings) -> list[FieldProblem]:
    notes = []
    root = dataset_root(config.root, settings)
    if not root.is_dir():
        way_out = "correct it if the machines that train do not see it either"
        notes.append(
            FieldProblem(field="root", value=str(root), message="is not there on this machine", way_out=way_out)
        )
    if config.plugins:
        message = "are imported by the run alone: the names of their parts are not checked here"
        notes.append(FieldProblem(field="plugins", value=list(config.plugins), message=message))
    return notes


def _invalid(errors: list[FieldProblem]) -> ConfigValidation:
    return ConfigValidation(is_valid=False, errors=errors, notes=[], run_base_name=None, resolved=None)


def _entry(kind: str, name: str) -> RegistryEntry:
    entry = REGISTRIES[kind].get(name)
    schema = None if entry.options is None else TypeAdapter(entry.options).json_schema()
    return RegistryEntry(name=name, doc=entry.doc, options_schema=schema)
