"""Configs whose paths mean the same on every machine."""

from __future__ import annotations

from dataclasses import replace

from utp.config.paths import checkpoints_root, dataset_root, model_dir, runs_root
from utp.config.train import TrainConfig
from utp.settings import Settings


def make_absolute(config: TrainConfig, settings: Settings) -> TrainConfig:
    """Return the config with paths that mean the same wherever its job runs; below a mount they do already."""
    changes: dict[str, str] = {}
    if settings.datasets_dir is None:
        changes["root"] = str(dataset_root(config.root, settings))
    if settings.shared_logs_dir is None:
        changes["tb_root"] = str(runs_root(config.tb_root, settings))
        changes["ckpt_dir"] = str(checkpoints_root(config.ckpt_dir, settings))
    if settings.models_dir is None and config.model_flavour.startswith(("./", "../", "~")):
        changes["model_flavour"] = str(model_dir(config.model_flavour, settings))
    return replace(config, **changes) if changes else config  # type: ignore[arg-type]
