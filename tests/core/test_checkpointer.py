"""Saving goes on beside training: what is saved is the moment's state, and failures reach the loop."""

from __future__ import annotations

import errno
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.pixel_task import PixelTask
from tests.support.recording_reporter import RecordingReporter

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import Checkpoint, CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.host_buffers import HostBuffers
from utp.core.loop import FitResult, fit
from utp.errors import AttemptSuperseded, FailureKind, LossNotFinite, ModelDiverged, StorageFailed, UtpError

CONFIG = TrainConfig(
    root="unused", model_flavour="unused", epochs=2, lr=0.01, autocast_dtype="float32", num_threads=1, keep_last=9
)


class SlowStore(CheckpointStore):
    """Commits nothing before `may_commit` is set, and says when a commit has begun."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, attempt=1)
        self.may_commit, self.has_begun = threading.Event(), threading.Event()

    def commit(self, *args: Any, **kwargs: Any) -> Checkpoint:
        self.has_begun.set()
        assert self.may_commit.wait(60), "training waits for the disk"
        return super().commit(*args, **kwargs)


class FailingStore(CheckpointStore):
    """Raises what `failures` holds for the n-th commit, from 1."""

    def __init__(self, directory: Path, failures: Mapping[int, Exception]) -> None:
        super().__init__(directory, attempt=1)
        self.failures, self.num_commits = failures, 0

    def commit(self, *args: Any, **kwargs: Any) -> Checkpoint:
        self.num_commits += 1
        if self.num_commits in self.failures:
            raise self.failures[self.num_commits]
        return super().commit(*args, **kwargs)


@dataclass
class ActingReporter(RecordingReporter):
    """Does something after a step."""

    at_step: Mapping[int, Callable[[], object]] = field(default_factory=dict)

    def log_step(self, step: int, epoch: int) -> None:
        super().log_step(step, epoch)
        self.at_step.get(step, lambda: None)()


def directory(folder: Path) -> Path:
    path = folder / "checkpoints"
    path.mkdir(parents=True, exist_ok=True)
    return path


def train(
    store: CheckpointStore,
    config: TrainConfig = CONFIG,
    reporter: RecordingReporter | None = None,
    task: PixelTask | None = None,
) -> tuple[FitResult, RecordingReporter]:
    task, reporter = task or PixelTask(), reporter or RecordingReporter()
    paths = RunPaths(store.directory.parent / "runs", store.directory)
    result = fit(config, task, reporter, Checkpointer(config, task.identity, paths, store, reporter.log_note))
    return result, reporter


def weights(store: CheckpointStore, name: str) -> dict[str, torch.Tensor]:
    return load_file(store.directory / name / "model.safetensors")


def disk_full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def test_training_goes_on_while_a_commit_is_under_way_and_the_copy_does_not_change(tmp_path: Path) -> None:
    config = replace(CONFIG, checkpoint_every_steps=3)
    swift, slow = CheckpointStore(directory(tmp_path / "a"), 1), SlowStore(directory(tmp_path / "b"))
    train(swift, config)
    _, reporter = train(slow, config, ActingReporter(at_step={5: slow.may_commit.set}))
    assert reporter.checkpoints[0] == "epoch_001-step_000003"
    for name in reporter.checkpoints:
        one, other = weights(swift, name), weights(slow, name)
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_newer_save_waits_for_the_one_under_way_and_none_is_left_out(tmp_path: Path) -> None:
    store = SlowStore(directory(tmp_path))
    timer = threading.Timer(0.2, store.may_commit.set)
    timer.start()
    _, reporter = train(store, replace(CONFIG, epochs=1, checkpoint_every_steps=1))
    timer.join()
    assert reporter.checkpoints == [f"epoch_001-step_00000{step}" for step in range(1, 8)]


def test_failed_commits_are_noted_and_their_best_is_forgotten(tmp_path: Path) -> None:
    store = FailingStore(directory(tmp_path), {1: disk_full(), 2: disk_full()})
    result, reporter = train(store, replace(CONFIG, epochs=3))
    assert [note.partition(" (")[0] for note in reporter.notes] == [
        "checkpoint epoch_001-step_000007 was not written",
        "checkpoint epoch_002-step_000014 was not written",
    ]
    assert reporter.checkpoints == ["epoch_003-step_000021"]
    assert result.best is not None
    assert result.best.checkpoint == "epoch_003-step_000021"


def test_best_goes_back_to_the_last_one_on_disk(tmp_path: Path) -> None:
    store = FailingStore(directory(tmp_path), {2: disk_full()})
    result, reporter = train(store)
    assert len(reporter.notes) == 1
    assert result.best is not None
    assert result.best.checkpoint == "epoch_001-step_000007"


def test_third_failure_in_a_row_ends_the_run(tmp_path: Path) -> None:
    store = FailingStore(directory(tmp_path), {n: disk_full() for n in (2, 3, 4)})
    with pytest.raises(StorageFailed, match="free some space"):
        train(store, replace(CONFIG, epochs=9))
    assert store.num_commits == 4


@pytest.mark.parametrize(("stop_after_step", "error"), [(4, ModelDiverged), (None, UtpError)])
def test_weights_that_are_not_finite_are_never_committed(
    tmp_path: Path, stop_after_step: int | None, error: type[UtpError]
) -> None:
    """Loss and gradient of the step are finite, its update is not: the next loss would tell, after the save."""
    store = CheckpointStore(directory(tmp_path), attempt=1)
    task = PixelTask()
    model = task.build_model()
    task.build_model = lambda: model  # type: ignore[method-assign]

    def spoil() -> None:
        with torch.no_grad():
            next(model.parameters())[3] = math.inf

    reporter = ActingReporter(stop_after_step, at_step={4: spoil})
    with pytest.raises(error, match="not finite") as caught:  # where it goes on, the loss may tell first
        train(store, replace(CONFIG, checkpoint_every_steps=2), reporter, task)
    assert caught.value.kind is FailureKind.NAN
    assert [checkpoint.step for checkpoint in store.committed()] == [2]


class RefusedRows(RecordingReporter):
    """Can't make rows durable for the n-th save, from 1, as `refused` says."""

    refused: tuple[int, ...] = ()
    num_syncs: int = 0

    def sync(self) -> None:
        super().sync()
        self.num_syncs += 1
        if self.num_syncs in self.refused:
            raise disk_full()


def test_rows_that_are_not_durable_cost_the_save_and_not_the_run(tmp_path: Path) -> None:
    reporter = RefusedRows()
    reporter.refused = (2,)
    store = CheckpointStore(directory(tmp_path), attempt=1)
    result, _ = train(store, replace(CONFIG, epochs=3), reporter)
    assert reporter.checkpoints == ["epoch_001-step_000007", "epoch_003-step_000021"]
    assert [note.partition(" (")[0] for note in reporter.notes] == ["checkpoint epoch_002-step_000014 was not written"]
    assert result.best is not None
    assert result.best.checkpoint in reporter.checkpoints


def test_rows_that_are_not_durable_three_times_end_the_run(tmp_path: Path) -> None:
    reporter = RefusedRows()
    reporter.refused = (2, 3, 4)
    with pytest.raises(StorageFailed, match="free some space"):
        train(CheckpointStore(directory(tmp_path), attempt=1), replace(CONFIG, epochs=9), reporter)
    assert reporter.checkpoints == ["epoch_001-step_000007"]


def test_attempt_that_is_superseded_ends_within_steps(tmp_path: Path) -> None:
    store = FailingStore(directory(tmp_path), {1: AttemptSuperseded("run", 1, 2)})
    with pytest.raises(AttemptSuperseded):
        train(store)
    assert store.num_commits == 1


def test_stop_waits_until_the_state_is_on_disk(tmp_path: Path) -> None:
    store = SlowStore(directory(tmp_path))
    timer = threading.Timer(0.2, store.may_commit.set)
    timer.start()
    result, reporter = train(store, reporter=RecordingReporter(stop_after_step=4))
    timer.join()
    assert (result.outcome, reporter.checkpoints) == ("stopped", ["epoch_001-step_000004"])


def test_commit_under_way_is_finished_when_the_loss_is_not_finite(tmp_path: Path) -> None:
    store = SlowStore(directory(tmp_path))
    reporter = ActingReporter(at_step={3: lambda: threading.Timer(0.2, store.may_commit.set).start()})
    task = PixelTask(poison=lambda epoch, batch, pixels: pixels * math.nan if batch == 3 else pixels)
    with pytest.raises(LossNotFinite):
        train(store, replace(CONFIG, checkpoint_every_steps=3), reporter, task)
    newest = store.newest()
    assert newest is not None
    assert newest.name == "epoch_001-step_000003"
    assert reporter.notes == ["checkpoint epoch_001-step_000003, under way as training ended, was committed"]


def test_commit_under_way_is_given_up_when_the_process_is_to_end_at_once(tmp_path: Path) -> None:
    store = SlowStore(directory(tmp_path))

    def interrupt() -> None:
        threading.Timer(0.2, store.may_commit.set).start()
        raise KeyboardInterrupt

    reporter = ActingReporter(at_step={4: interrupt})
    with pytest.raises(KeyboardInterrupt):
        train(store, replace(CONFIG, checkpoint_every_steps=3), reporter)
    assert list(store.directory.iterdir()) == []
    assert reporter.notes[0].endswith("was not committed: the process is to end at once")


def test_buffers_are_kept_and_follow_a_change_of_shape() -> None:
    buffers = HostBuffers()
    first = buffers.copy({"f": {"a": torch.ones(2, 3).T, "b": torch.tensor(1.0)}})["f"]["a"]
    assert first.is_contiguous()
    again = buffers.copy({"f": {"a": torch.full((3, 2), 5.0)}})["f"]["a"]
    assert again.data_ptr() == first.data_ptr()
    assert torch.equal(first, torch.full((3, 2), 5.0))
    other = buffers.copy({"f": {"a": torch.ones(4, dtype=torch.int64)}})["f"]["a"]
    assert torch.equal(other, torch.ones(4, dtype=torch.int64))
