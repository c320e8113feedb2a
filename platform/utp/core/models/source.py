"""Where a model comes from: what `model_flavour` names, checked before any of its code or weights are loaded."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from utp.config.paths import model_dir
from utp.core.models.entries import MODEL_PRESETS
from utp.errors import ModelError
from utp.settings import Settings

BUILTIN_PREFIX = "builtin/"
WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")
"""The names that `from_pretrained` looks for."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_PATH_PREFIXES = ("/", "./", "../", "~")
_PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """A model before it is built; `has_weights` is none where only the Hub knows."""

    model_flavour: str
    kind: Literal["builtin", "local", "hub"]
    location: str
    revision: str | None = None
    has_weights: bool | None = None


def resolve_source(model_flavour: str, revision: str | None, settings: Settings) -> ModelSource:
    """Return what `model_flavour` names: a builtin model, a local directory or a Hub id; asks no network.

    Raises:
        UnknownName: no such builtin model.
        PathRefused: a path that leaves `MODELS_DIR`.
        ModelError: no such directory, none of a model, remote code, or not a Hub id.
    """
    if model_flavour.startswith(BUILTIN_PREFIX):
        _refuse_revision(model_flavour, revision)
        name = model_flavour.removeprefix(BUILTIN_PREFIX)
        directory: Path = MODEL_PRESETS.get(name).load()(name)
        return ModelSource(model_flavour=model_flavour, kind="builtin", location=str(directory), has_weights=False)
    if _names_a_directory(model_flavour, settings):
        _refuse_revision(model_flavour, revision)
        return _local_source(model_flavour, settings)
    if not _HUB_ID.fullmatch(model_flavour):
        raise ModelError(model_flavour, f"is neither a directory nor a Hub id (NAME or OWNER/NAME); {_ways_out()}")
    return ModelSource(model_flavour=model_flavour, kind="hub", location=model_flavour, revision=revision)


def preset_directory(name: str) -> Path:
    """Return the folder of a model that this package ships."""
    return _PRESETS / name


def require_weights(source: ModelSource) -> None:
    """Raise `ModelError` where `load_pretrained` is asked of a source that surely has no safetensors weights."""
    if source.has_weights is not False:
        return
    if source.kind == "builtin":
        raise ModelError(
            source.model_flavour,
            "is an architecture without weights, load_pretrained is true; set load_pretrained to false, "
            "or name a model that has weights",
        )
    pickles = sorted(path.name for path in Path(source.location).glob("*.bin"))
    if pickles:
        raise ModelError(
            source.model_flavour,
            f"{source.location} holds {pickles[0]} and no safetensors; a pickle can run code when it is opened and is "
            'refused. Convert it once, if you trust who made it: python -c "from transformers import '
            "AutoModelForImageClassification as A; A.from_pretrained('DIR', use_safetensors=False)"
            ".save_pretrained('DIR')\"",
        )
    raise ModelError(
        source.model_flavour,
        f"{source.location} holds no weights ({' or '.join(WEIGHT_FILES)}), load_pretrained is true; "
        "set load_pretrained to false, or put the weights there",
    )


def refuse_remote_code(model_flavour: str, config: Mapping[str, Any]) -> None:
    """Raise `ModelError` for a `config.json` that asks to run Python files that come with the model."""
    if "auto_map" in config:
        raise ModelError(
            model_flavour,
            f"its config.json has auto_map ({config['auto_map']!r:.120}): it would run Python code that comes with the "
            "model, which is never done; use a model of an architecture that transformers itself has",
        )


def _names_a_directory(model_flavour: str, settings: Settings) -> bool:
    if model_flavour.startswith(_PATH_PREFIXES):
        return True
    # os.path answers False, where Path.is_dir raises, for a name that no file system takes (too long, NUL).
    return os.path.isdir(os.path.join(settings.models_dir or "", model_flavour))  # noqa: PTH112, PTH118


def _local_source(model_flavour: str, settings: Settings) -> ModelSource:
    directory = model_dir(model_flavour, settings)
    if not directory.is_dir():
        raise ModelError(model_flavour, f"there is no directory {directory}; {_ways_out()}")
    refuse_remote_code(model_flavour, _read_config(model_flavour, directory))
    has_weights = any((directory / name).is_file() for name in WEIGHT_FILES)
    return ModelSource(model_flavour=model_flavour, kind="local", location=str(directory), has_weights=has_weights)


def _read_config(model_flavour: str, directory: Path) -> dict[str, Any]:
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            model_flavour, f"{directory} has no config.json; name a directory that save_pretrained has written"
        ) from None
    except ValueError as error:
        raise ModelError(model_flavour, f"{path} is not JSON ({error}); write the model again") from error
    if not isinstance(config, dict):
        raise ModelError(model_flavour, f"{path} holds no JSON object; write the model again")
    return config


def _refuse_revision(model_flavour: str, revision: str | None) -> None:
    if revision is not None:
        raise ModelError(
            model_flavour,
            f"model_revision {revision!r} has no effect on a model that is not from the Hub; leave it out",
        )


def _ways_out() -> str:
    builtin = ", ".join(BUILTIN_PREFIX + name for name in MODEL_PRESETS.names())
    return f"name a local directory (beneath MODELS_DIR where that is set), a Hub id, or one of {builtin}"
