"""Evaluates a checkpoint of a run anew: task and model from the run's own config; writes nothing into the run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from utp.config.loading import read_config
from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.catalog import check_config, load_plugins
from utp.core.checkpoint import Checkpoint, CheckpointStore
from utp.core.checkpoint_choice import choose_checkpoint
from utp.core.checkpointer import Checkpointer
from utp.core.device import resolve_compute
from utp.core.memory_format import lay_out
from utp.core.task import Evaluation, Task
from utp.core.tasks.entries import TASKS
from utp.errors import ConfigError, DatasetError
from utp.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunEvaluation:
    """The numbers of one checkpoint on one split."""

    checkpoint: Checkpoint
    values: Mapping[str, float | None]
    facts: Mapping[str, str]
    has_same_data: bool
    """Whether the dataset is still the one of the training."""


def evaluate_run(
    paths: RunPaths,
    *,
    split: str,
    wanted: str,
    views: str | None,
    settings: Settings,
    on_scan: Callable[[int, int], None] | None = None,
) -> RunEvaluation:
    """Evaluate the checkpoint that `wanted` names (`best`, `last`, a name) on `val` or `test`.

    Args:
        paths: of the run.
        split: `val` or `test`.
        wanted: `best`, `last` or a checkpoint's name.
        views: test-time augmentation; none means the run's own on test, and none on val.
        settings: mounts and caches.
        on_scan: told (done, total) image files.

    Raises:
        ConfigError: there is no such checkpoint or no test split.
        CheckpointUnreadable: the checkpoint is damaged.
        DatasetError: the dataset has other classes than the run.
    """
    checkpoint = choose_checkpoint(paths, wanted)
    config = read_config(paths.config)
    load_plugins(config)
    check_config(config)
    task: Task = TASKS.get(config.task).load()(config, settings, on_scan, evaluates=split)
    try:
        if split == "test" and not task.has_test:
            raise ConfigError((f"split: 'test' is not in the dataset {config.root}; use --split val",))
        has_same_data = _compare_data(config, task, checkpoint)
        evaluation = _evaluate(config, task, paths, checkpoint, split=split, views=views)
    finally:
        task.close()
    return RunEvaluation(checkpoint, evaluation.values, evaluation.facts, has_same_data)


def _compare_data(config: TrainConfig, task: Task, checkpoint: Checkpoint) -> bool:
    """Refuse other classes, since the head numbers them; say whether all else is as it was."""
    saved = checkpoint.read_state()["identity"]
    if saved["classes"] != task.identity["classes"]:
        problem = "its classes are not those of the run any more; put it back as it was"
        raise DatasetError(config.root, problem)
    return bool(saved == task.identity)


def _evaluate(
    config: TrainConfig, task: Task, paths: RunPaths, checkpoint: Checkpoint, *, split: str, views: str | None
) -> Evaluation:
    saved = checkpoint.read_state()["compute"]
    compute, notes = resolve_compute(config, saved)
    compute.apply()
    for note in notes:
        log.info("%s", note)
    store = CheckpointStore(paths.checkpoint_dir, attempt=0)
    model, compute = lay_out(config, compute, task.build_model(), saved)
    Checkpointer(config, task.identity, paths, store, log.info).load_weights(model, checkpoint)
    model.eval()
    with torch.no_grad():
        return task.evaluate(model, split, compute, lambda: False, views)
