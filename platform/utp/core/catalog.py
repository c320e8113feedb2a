"""The catalogue: every part by kind and name, and the check of a config against it. Needs no torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from utp.config.train import TrainConfig
from utp.core.augmentations.entries import AUGMENTATIONS, GPU_AUGMENTATIONS
from utp.core.losses.entries import LOSSES
from utp.core.metrics.entries import METRICS, best_mode
from utp.core.models.entries import MODEL_PRESETS
from utp.core.optimizers.entries import OPTIMIZERS
from utp.core.registry import Registry
from utp.core.schedules.entries import SCHEDULES
from utp.core.tasks.entries import TASKS
from utp.errors import ConfigError, UnknownName

REGISTRIES: Mapping[str, Registry] = {
    "augmentation": AUGMENTATIONS,
    "gpu_augmentation": GPU_AUGMENTATIONS,
    "loss": LOSSES,
    "metric": METRICS,
    "model": MODEL_PRESETS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "task": TASKS,
}

_NAMED_FIELDS = ("task", "augmentation", "gpu_augmentation", "loss", "optimizer", "schedule")
"""Fields of `TrainConfig` that name an entry of the registry of the same name."""


def is_higher_better(metric: str) -> bool | None:
    """Whether more of a metric is better; None for an id that no registry knows."""
    try:
        return best_mode(metric) == "max"
    except UnknownName:
        return None


def load_plugins(config: TrainConfig) -> None:
    """Import the config's plug-ins, which register parts. Raises `ConfigError` naming one that can't be imported."""
    for module in config.plugins:
        try:
            importlib.import_module(module)
        except Exception as error:
            problem = f"plugins: {module!r} can't be imported ({type(error).__name__}: {error}); correct or remove it"
            raise ConfigError((problem,)) from error


def check_config(config: TrainConfig) -> None:
    """Refuse names, options and metric ids that no registry knows. Raises `ConfigError` with all problems at once."""
    problems: list[str] = []
    for field in _NAMED_FIELDS:
        options: Mapping[str, Any] = getattr(config, f"{field}_options", {})
        try:
            REGISTRIES[field].get(getattr(config, field)).check_options(options, f"{field}_options")
        except UnknownName as error:
            problems.append(f"{field}: {error}")
        except ConfigError as error:
            problems.extend(error.problems)
    problems.extend(_mixing_problems(config))
    problems.extend(_model_problems(config))
    problems.extend(_monitor_problems(config))
    if problems:
        raise ConfigError(tuple(problems))


def _mixing_problems(config: TrainConfig) -> list[str]:
    if not (config.mixup_alpha or config.cutmix_alpha) or config.loss not in LOSSES.names():
        return []
    if LOSSES.get(config.loss).traits.get("soft_targets", True):
        return []
    field = "mixup_alpha" if config.mixup_alpha else "cutmix_alpha"
    value = getattr(config, field)
    return [f"{field}: {value!r} mixes labels, which loss {config.loss!r} can't take; set it to 0, or use another loss"]


def _model_problems(config: TrainConfig) -> list[str]:
    source, _, preset = config.model_flavour.partition("/")
    if source != "builtin" or preset in MODEL_PRESETS.names():
        return []
    known = ", ".join(f"builtin/{name}" for name in MODEL_PRESETS.names())
    return [f"model_flavour: {config.model_flavour!r} is not there; known: {known}"]


def _monitor_problems(config: TrainConfig) -> list[str]:
    # Whether the run reports it depends on the number of classes too: the task checks that.
    metric = config.monitor_metric
    if not metric.startswith("val_"):
        return [f"monitor_metric: {metric!r} is not a metric of the val split; use one that begins with `val_`"]
    try:
        mode = best_mode(metric)
    except UnknownName as error:
        return [f"monitor_metric: {error}"]
    if mode != config.monitor_mode:
        return [f"monitor_mode: {config.monitor_mode!r} would keep the worst {metric} as best; set it to {mode!r}"]
    return []
