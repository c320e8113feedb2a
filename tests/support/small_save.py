"""A run of a small real task whose save is stopped in the middle, and what a resume has to find after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from tests.support.pixel_task import PixelTask
from tests.support.recording_reporter import RecordingReporter

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import Checkpoint, CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.ema import Ema
from utp.core.loop import fit
from utp.core.optimizers.build import build_optimizer
from utp.core.state import Meters, TrainState

OLD, NEW = "epoch_001-step_000007", "epoch_002-step_000014"
CONFIG = TrainConfig(
    root="unused", model_flavour="unused", epochs=1, lr=0.01, autocast_dtype="float32", num_threads=1, ema_decay=0.9
)


def train_to(checkpoint_dir: Path, epochs: int, keep_last: int = CONFIG.keep_last) -> RecordingReporter:
    """Train, or go on, up to an epoch; return what was reported."""
    config, task, reporter = replace(CONFIG, epochs=epochs, keep_last=keep_last), PixelTask(), RecordingReporter()
    checkpointer = Checkpointer(
        config, task.identity, _paths(checkpoint_dir), CheckpointStore(checkpoint_dir, attempt=1), reporter.log_note
    )
    fit(config, task, reporter, checkpointer)
    return reporter


def resume(checkpoint_dir: Path) -> tuple[Checkpoint, TrainState]:
    """Return the checkpoint that a resume starts from, and the state it holds."""
    task = PixelTask()
    model = task.build_model()
    meters = Meters(task.sum_names, torch.device("cpu"))
    state = TrainState(model, build_optimizer(CONFIG, model), meters, ema=Ema(model, 0.9))
    store = CheckpointStore(checkpoint_dir, attempt=1)
    saves = Checkpointer(CONFIG, task.identity, _paths(checkpoint_dir), store, lambda sentence: None)
    found = saves.newest()
    assert found is not None, "neither the old nor the new checkpoint is there"
    saves.restore(state, found)
    return found, state


def assert_whole(found: Checkpoint, state: TrainState, final: Path) -> None:
    """What was resumed is one save and no mix of two, and what derives from it has been mended."""
    assert found.name in (OLD, NEW)
    for file, tensors in state.tensors().items():
        expected = load_file(final / found.name / file)
        assert all(torch.equal(tensors[name], expected[name]) for name in expected)
    best = state.progress.best
    assert best is not None
    assert best.checkpoint == found.name, "the second epoch is better than the first"
    weights = torch.load(found.directory.parent / "best.pt", weights_only=True)
    average = load_file(found.directory / "ema.safetensors")
    assert weights["checkpoint"] == found.name
    assert all(torch.equal(weights["model"][name], average[name]) for name in average)
    assert [path.name for path in found.directory.parent.glob(".*")] == []


def _paths(checkpoint_dir: Path) -> RunPaths:
    return RunPaths(checkpoint_dir.parent / "runs", checkpoint_dir)
