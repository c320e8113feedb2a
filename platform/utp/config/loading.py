"""From files, mappings and `--set` to `TrainConfig`, and back to JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from utp.config.documents import DOCUMENT_SUFFIXES, read_document
from utp.config.overrides import SOURCE, assign
from utp.config.problems import describe_problems, did_you_mean
from utp.config.python_files import MAIN_LIST, running
from utp.config.resume import SAFE_ON_RESUME, ConfigChange
from utp.config.train import TrainConfig
from utp.errors import ConfigError

ALL = "all"
_ADAPTER = TypeAdapter(TrainConfig)


@dataclass(frozen=True)
class LoadedConfig:
    """A config from a file; `source` is the target that loads it alone."""

    name: str
    source: str
    config: TrainConfig


def load_configs(target: str) -> list[LoadedConfig]:
    """Load `FILE`, `FILE:NAME` or `FILE:all`; FILE is Python, YAML or JSON.

    A file alone means its only config, or its list `training_configurations`.

    Raises:
        ConfigError: the file, the name or a setting is wrong; names the file and, where it can, the line.
    """
    path, wanted = _split_target(target)
    if path.suffix.lower() == ".py":
        with running(path) as makers:
            names = _choose(tuple(makers), wanted, path)
            loaded = [LoadedConfig(name, f"{path}:{name}", makers[name]()) for name in names]
    else:
        parts = _split_document(read_document(path), path)
        names = _choose(tuple(parts), wanted, path)
        sources = {name: f"{path}:{name}" if len(parts) > 1 else str(path) for name in names}
        loaded = [LoadedConfig(name, sources[name], parse_config(parts[name], sources[name])) for name in names]
    return _each_once(loaded) if wanted == ALL else loaded


def parse_config(values: Mapping[str, Any], source: str | None = None) -> TrainConfig:
    """Return the config with these field values. Raises `ConfigError`, one sentence for each wrong field."""
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        raise ConfigError((f"is {values!r:.60}, not a mapping; write FIELD: VALUE for each field",), source)
    try:
        return TrainConfig(**values)
    except ValidationError as error:
        raise ConfigError(describe_problems(error, TrainConfig), source) from error


def read_config(path: Path) -> TrainConfig:
    """Return the config that is saved with a run. Raises `ConfigError`, which names the file."""
    try:
        return parse_config(read_document(path), str(path))
    except OSError as error:
        raise ConfigError((f"can't be read ({error.strerror}); put it back, or start a new run",), str(path)) from error


def dump_config(config: TrainConfig) -> dict[str, Any]:
    """Return all fields as JSON data; `parse_config` gives an equal config back."""
    dumped: dict[str, Any] = _ADAPTER.dump_python(config, mode="json")
    return dumped


def config_hash(config: TrainConfig) -> str:
    """Return the SHA-256, in hex, of the config as canonical JSON."""
    text = json.dumps(dump_config(config), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def apply_overrides(config: TrainConfig, assignments: Sequence[str]) -> TrainConfig:
    """Return the config with each `FIELD=VALUE` or `FIELD.KEY=VALUE` applied, the later over the earlier.

    VALUE is YAML; for a field of text it is taken as it stands, unless quoted.

    Raises:
        ConfigError: no `=`, an unknown field, or a value that the field refuses.
    """
    values = dump_config(config)
    for assignment in assignments:
        values = assign(values, assignment)
    return parse_config(values, SOURCE)


def compare_configs(saved: TrainConfig, new: TrainConfig) -> ConfigChange:
    """Say which fields a resume would change, and which of these it may."""
    names = [field.name for field in fields(TrainConfig)]
    changed = [name for name in names if getattr(saved, name) != getattr(new, name)]
    return ConfigChange(
        saved=saved,
        new=new,
        safe=tuple(name for name in changed if name in SAFE_ON_RESUME),
        unsafe=tuple(name for name in changed if name not in SAFE_ON_RESUME),
    )


def _each_once(loaded: Sequence[LoadedConfig]) -> list[LoadedConfig]:
    """Drop what is there already under another name, as a function whose config also stands in a list."""
    first: dict[str, LoadedConfig] = {}
    for one in loaded:
        first.setdefault(config_hash(one.config), one)
    return list(first.values())


def _split_target(target: str) -> tuple[Path, str | None]:
    path, chosen = Path(target), None
    if not _is_config_file(path) and ":" in target:
        file, _, chosen = target.rpartition(":")
        path = Path(file)
    if not _is_config_file(path):
        problem = (
            f"{target!r} is not a config file; name a .py, .yaml, .yml or .json file, as FILE, FILE:NAME or FILE:all"
        )
        raise ConfigError((problem,))
    if not path.is_file():
        what = "is a folder; name a file in it" if path.is_dir() else f"does not exist; seen from {Path.cwd()}"
        raise ConfigError((what,), str(path))
    if chosen == "":
        raise ConfigError(("the name after `:` is empty; write FILE:NAME or FILE:all",), target)
    return path, chosen


def _is_config_file(path: Path) -> bool:
    return path.suffix.lower() in (".py", *DOCUMENT_SUFFIXES)


def _split_document(document: Any, path: Path) -> dict[str, Any]:
    """Give the mappings of a YAML or JSON file by name."""
    parts: dict[str, Any]
    if isinstance(document, list):
        parts = {f"{path.stem}[{index}]": item for index, item in enumerate(document)}
    elif isinstance(document, dict) and "configs" in document:
        if extra := sorted(document.keys() - {"configs"}):
            raise ConfigError((f"{extra[0]}: stands beside `configs`; move it into each config",), str(path))
        if not isinstance(document["configs"], dict):
            raise ConfigError(("configs: is not a mapping; write NAME: {FIELD: VALUE, ...}",), str(path))
        parts = document["configs"]
    else:
        parts = {} if document is None else {path.stem: document}
    for name, part in parts.items():
        if not isinstance(part, dict):
            problem = f"{name}: is {part!r:.60}, not a config; write a mapping of fields, FIELD: VALUE"
            raise ConfigError((problem,), str(path))
    return parts


def _choose(names: tuple[str, ...], wanted: str | None, path: Path) -> list[str]:
    """Pick the names that are meant. A list `LIST` stands for `LIST[0]`, `LIST[1]`, ..."""
    lists = {name.rpartition("[")[0] for name in names if name.endswith("]")}
    listed = ", ".join(names)
    if not names:
        raise ConfigError((_NO_CONFIG,), str(path))
    if wanted == ALL:
        return list(names)
    if wanted is None and MAIN_LIST in lists:
        wanted = MAIN_LIST
    if wanted is None:
        if len(names) > 1:
            problem = f"holds {len(names)} configs: {listed}; write {path}:NAME, or {path}:all for every one"
            raise ConfigError((problem,), str(path))
        return list(names)
    if wanted in names:
        return [wanted]
    if wanted in lists:
        return [name for name in names if name.rpartition("[")[0] == wanted]
    hint = did_you_mean(wanted, [*names, *sorted(lists)])
    raise ConfigError((f"holds no config {wanted!r}; {hint}{' ' if hint else ''}it holds: {listed}",), str(path))


_NO_CONFIG = (
    "holds no config; write a function without arguments that is annotated `-> TrainConfig`, "
    f"or a list {MAIN_LIST} (Python), or a mapping of fields (YAML, JSON)"
)
