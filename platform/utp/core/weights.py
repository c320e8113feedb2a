"""Single-file weights: `best.pt` and `epoch_XXX.pt`, derived from a committed checkpoint and rebuilt from it when lost.

`torch.load(path, weights_only=True)` opens them: tensors, numbers and text, no pickled code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors.torch import load_file

from utp.config.paths import RunPaths
from utp.core.checkpoint import Checkpoint
from utp.core.checkpoint_manifest import read_manifest
from utp.core.durable import replacing, write_json_durably
from utp.core.state import EMA_FILE, MODEL_FILE, Best


def evaluated_weights(checkpoint: Checkpoint) -> Path:
    """Return the file of the weights that were evaluated: the average where there is one."""
    average = checkpoint.directory / EMA_FILE
    return average if average.exists() else checkpoint.directory / MODEL_FILE


def write_weights_file(path: Path, checkpoint: Checkpoint) -> None:
    """Write the evaluated weights of a committed checkpoint, with config, label map and origin, as one file."""
    state = checkpoint.read_state()
    content = {
        "schema_version": 1,
        "model": load_file(evaluated_weights(checkpoint)),
        "config": state["config"],
        "identity": state["identity"],
        "progress": state["state"]["progress"],
        "checkpoint": checkpoint.name,
        "sha256": _model_hash(checkpoint),
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        _save(content, file)


def derive_best(paths: RunPaths, checkpoint: Checkpoint, best: Best) -> None:
    """Write `best.pt` and then `_best_meta.json`, which names the checkpoint and the hash of its weights."""
    write_weights_file(paths.best_weights, checkpoint)
    meta = {
        "schema_version": 1,
        "monitor": best.metric,
        "mode": best.mode,
        "value": best.value,
        "epoch": best.epoch,
        "step": best.step,
        "checkpoint": checkpoint.name,
        "sha256": _model_hash(checkpoint),
        "size_bytes": paths.best_weights.stat().st_size,
    }
    write_json_durably(paths.best_meta, meta)


def repair_best(paths: RunPaths, checkpoint: Checkpoint, best: Best) -> bool:
    """Write `best.pt` and its meta anew if a crash left them missing or older than the committed best; say whether."""
    try:
        meta: dict[str, Any] = json.loads(paths.best_meta.read_bytes())
        is_current = meta["checkpoint"] == checkpoint.name and meta["sha256"] == _model_hash(checkpoint)
        if is_current and paths.best_weights.stat().st_size == meta["size_bytes"]:
            return False
    except (OSError, ValueError, KeyError, TypeError):
        pass  # missing or torn: written anew below
    derive_best(paths, checkpoint, best)
    return True


def _save(content: Mapping[str, Any], file: BinaryIO) -> None:
    """Write the file. Raises `OSError` where the disk refuses: torch complains of its archive then, and hides why."""
    try:
        torch.save(content, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _model_hash(checkpoint: Checkpoint) -> str:
    name = evaluated_weights(checkpoint).name
    return next(file.sha256 for file in read_manifest(checkpoint.directory).files if file.name == name)
