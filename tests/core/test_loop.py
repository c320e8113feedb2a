"""The loop on a small real task: accumulation, best, NaN, stop and exact resume, without images and processes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.pixel_task import PixelTask
from tests.support.recording_reporter import RecordingReporter, without_timings

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.device import Compute
from utp.core.loop import FitResult, fit
from utp.core.optimizers.entries import OPTIMIZERS
from utp.core.randomness import derive_seed, reseed
from utp.core.state import Progress
from utp.core.task import StepSums
from utp.errors import LossNotFinite, ResumeRefused, TooManySkippedSteps

CONFIG = TrainConfig(
    root="unused",
    model_flavour="unused",
    epochs=3,
    lr=0.01,
    warmup_ratio=0.1,
    autocast_dtype="float32",
    num_threads=1,
    log_interval_steps=2,
)


def run_paths(folder: Path) -> RunPaths:
    paths = RunPaths(folder / "runs", folder / "checkpoints")
    paths.checkpoint_dir.mkdir(parents=True, exist_ok=True)
    return paths


def train(
    folder: Path,
    config: TrainConfig = CONFIG,
    task: PixelTask | None = None,
    stop_after_step: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[FitResult, RecordingReporter, dict[str, torch.Tensor]]:
    """Train (or go on) in `folder`; return the result, what was reported, and the newest checkpoint's weights."""
    task, reporter = task or PixelTask(), RecordingReporter(stop_after_step)
    paths = run_paths(folder)
    store = CheckpointStore(paths.checkpoint_dir, attempt=1)
    checkpointer = Checkpointer(config, task.identity, paths, store, reporter.log_note)
    result = fit(config, task, reporter, checkpointer, clock=clock)
    return result, reporter, load_file(store.committed()[-1].directory / "model.safetensors")


def assert_same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_training_learns_and_reports_every_epoch(tmp_path: Path) -> None:
    result, reporter, _ = train(tmp_path, replace(CONFIG, epochs=8))
    epochs = [row for row in reporter.rows if row["kind"] == "epoch"]
    assert result.outcome == "succeeded"
    assert [row["epoch"] for row in epochs] == list(range(1, 9))
    assert epochs[-1]["val_acc@1"] > 0.8 > epochs[0]["val_acc@1"]
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]


def test_two_runs_of_one_config_are_bit_identical(tmp_path: Path) -> None:
    _, first, weights = train(tmp_path / "a")
    _, second, others = train(tmp_path / "b")
    assert_same_weights(weights, others)
    assert without_timings(first.rows) == without_timings(second.rows)


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    _, _, weights = train(tmp_path / "a")
    _, _, others = train(tmp_path / "b", replace(CONFIG, seed=1))
    assert any(not torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.parametrize("stop_after_step", [1, 6, 7, 8, 13, 20])
def test_stopped_and_resumed_run_equals_the_undisturbed_one(tmp_path: Path, stop_after_step: int) -> None:
    # 7 steps an epoch: 6 is mid-epoch, 7 stops in the evaluation, 20 before the last step.
    undisturbed, all_rows, weights = train(tmp_path / "a")
    stopped, before, _ = train(tmp_path / "b", stop_after_step=stop_after_step)
    resumed, after, others = train(tmp_path / "b")
    assert (stopped.outcome, resumed.outcome) == ("stopped", "succeeded")
    assert after.plan is not None
    assert after.plan.start_step == stop_after_step
    assert_same_weights(weights, others)
    assert without_timings(before.rows + after.rows) == without_timings(all_rows.rows)
    assert resumed.best == undisturbed.best or (resumed.best is not None and stop_after_step == 7)
    assert resumed.test_values == undisturbed.test_values


@pytest.mark.parametrize("stop_after_step", [1, 8])
def test_average_of_a_resumed_run_equals_that_of_the_undisturbed_one(tmp_path: Path, stop_after_step: int) -> None:
    config = replace(CONFIG, ema_decay=0.9)
    _, all_rows, _ = train(tmp_path / "a", config)
    _, before, _ = train(tmp_path / "b", config, stop_after_step=stop_after_step)
    _, after, _ = train(tmp_path / "b", config)
    assert_same_weights(newest_average(tmp_path / "a"), newest_average(tmp_path / "b"))
    assert without_timings(before.rows + after.rows) == without_timings(all_rows.rows)


def newest_average(folder: Path) -> dict[str, torch.Tensor]:
    newest = CheckpointStore(run_paths(folder).checkpoint_dir, attempt=9).newest()
    assert newest is not None
    return load_file(newest.directory / "ema.safetensors")


def test_average_is_evaluated_and_kept_as_best_and_leaves_training_alone(tmp_path: Path) -> None:
    task = PixelTask()
    _, plain, weights = train(tmp_path / "a")
    result, averaged, others = train(tmp_path / "b", replace(CONFIG, ema_decay=0.9), task)
    assert_same_weights(weights, others)
    for one, other in zip(plain.rows, averaged.rows, strict=True):
        assert one.get("train_loss") == other.get("train_loss")
        assert one["kind"] == "train" or one != other
    assert result.best is not None
    best = torch.load(run_paths(tmp_path / "b").best_weights, weights_only=True)
    assert best["checkpoint"] == result.best.checkpoint
    average = load_file(run_paths(tmp_path / "b").checkpoint_dir / result.best.checkpoint / "ema.safetensors")
    assert_same_weights(best["model"], average)
    assert_same_weights(task.exported_weights, average)


def test_resume_after_the_last_epoch_only_tests(tmp_path: Path) -> None:
    train(tmp_path)
    result, reporter, _ = train(tmp_path)
    assert result.outcome == "succeeded"
    assert [row["kind"] for row in reporter.rows] == ["test"]


def test_stop_during_the_test_saves_no_best_weights_as_newest(tmp_path: Path) -> None:
    config = replace(CONFIG, lr=0.2, epochs=2)  # too high: the last epoch is not the best
    _, _, weights = train(tmp_path, config)
    stopped, reporter, others = train(tmp_path, config, stop_after_step=0)
    assert stopped.outcome == "stopped"
    assert reporter.checkpoints == []
    assert_same_weights(weights, others)


def test_accumulated_gradient_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    """Micro-batches of 25 in groups of 4 equal batches of 100, a short last batch and group included."""
    plain = {"max_grad_norm": None, "weight_decay": 0.0, "epochs": 1, "optimizer": "sgd", "lr": 0.1}
    options: dict[str, Any] = {"num_train": 230, "dropout": 0.0}
    whole = PixelTaskWithoutNorm(batch_size=100, **options)
    parts = PixelTaskWithoutNorm(batch_size=25, **options)
    _, _, weights = train(tmp_path / "a", replace(CONFIG, **plain), whole)
    _, reporter, others = train(tmp_path / "b", replace(CONFIG, **plain, grad_accum_steps=4), parts)
    assert reporter.plan is not None
    assert reporter.plan.total_steps == 3
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, others[name], rtol=1e-5, atol=1e-7)


class PixelTaskWithoutNorm(PixelTask):
    """Batch norm sees micro-batches, so only a model without it can be equal."""

    def build_model(self) -> torch.nn.Module:
        model = super().build_model()
        assert isinstance(model, torch.nn.Sequential)
        model[1] = torch.nn.Identity()
        return model


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_every_optimizer_resumes_bit_exactly(tmp_path: Path, optimizer: str) -> None:
    config = replace(CONFIG, optimizer=optimizer, epochs=2)
    _, _, weights = train(tmp_path / "a", config)
    train(tmp_path / "b", config, stop_after_step=4)
    _, _, others = train(tmp_path / "b", config)
    assert_same_weights(weights, others)


@pytest.mark.fault  # row 44
@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_loss_that_is_not_finite_stops_the_run_at_its_step_and_keeps_the_weights(
    tmp_path: Path, optimizer: str
) -> None:
    def poison(epoch: int, batch: int, pixels: torch.Tensor) -> torch.Tensor:
        return pixels * math.nan if (epoch, batch) == (1, 2) else pixels

    with pytest.raises(LossNotFinite) as caught:
        train(tmp_path, replace(CONFIG, optimizer=optimizer), PixelTask(poison=poison))
    assert (caught.value.step, caught.value.epoch) == (7 + 3, 2)
    assert caught.value.last_finite_loss is not None
    newest = CheckpointStore(run_paths(tmp_path).checkpoint_dir, attempt=2).newest()
    assert newest is not None
    assert newest.step == 7
    assert all(torch.isfinite(tensor).all() for tensor in load_file(newest.directory / "model.safetensors").values())


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("bad_step", [0, 3])
def test_skipped_step_changes_nothing_and_is_reported(tmp_path: Path, optimizer: str, bad_step: int) -> None:
    """One epoch of one step fewer is the oracle: the batch that is poisoned might not have been there."""
    config = replace(CONFIG, optimizer=optimizer, nan_policy="skip", schedule="constant", warmup_ratio=0.0)
    config = replace(config, epochs=1, ema_decay=0.9, max_grad_norm=None)
    _, reporter, skipped = train(tmp_path / "a", config, PixelTask(poison=poison_at((0, bad_step)), dropout=0.0))
    _, _, weights = train(tmp_path / "b", config, PixelTaskWithout(bad_step, dropout=0.0))
    assert_same_weights(weights, skipped)
    assert reporter.notes == [
        f"loss or gradient not finite: step {bad_step + 1} was skipped; 1 of {bad_step + 1} steps so far"
    ]
    (epoch,) = [row for row in reporter.rows if row["kind"] == "epoch"]
    assert epoch["train_skipped_steps"] == 1
    assert all(math.isfinite(value) for value in epoch.values() if isinstance(value, float))


def poison_at(*places: tuple[int, int]) -> Callable[[int, int, torch.Tensor], torch.Tensor]:
    return lambda epoch, batch, pixels: pixels * math.nan if (epoch, batch) in places else pixels


class PixelTaskWithout(PixelTask):
    """Leaves a batch out."""

    def __init__(self, batch: int, dropout: float) -> None:
        super().__init__(dropout=dropout)
        self.left_out = batch

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        sizes = super().batch_sizes
        return sizes[: self.left_out] + sizes[self.left_out + 1 :]

    def train_batches(
        self, epoch: int, start_batch: int, compute: Compute
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, bool]]:
        batches = list(super().train_batches(epoch, 0, compute))
        yield from (batches[: self.left_out] + batches[self.left_out + 1 :])[start_batch:]


def test_run_with_skipped_steps_resumes_exactly(tmp_path: Path) -> None:
    config = replace(CONFIG, nan_policy="skip", max_skipped_steps=3, ema_decay=0.9)
    task = PixelTask(poison=poison_at((0, 1), (0, 2), (1, 0)))
    _, all_rows, weights = train(tmp_path / "a", config, task)
    _, before, _ = train(tmp_path / "b", config, task, stop_after_step=2)
    _, after, others = train(tmp_path / "b", config, task)
    assert_same_weights(weights, others)
    assert without_timings(before.rows + after.rows) == without_timings(all_rows.rows)
    assert before.notes + after.notes == all_rows.notes


@pytest.mark.fault  # row 44
def test_too_many_skipped_steps_in_a_row_end_the_run_also_across_a_resume(tmp_path: Path) -> None:
    config = replace(CONFIG, nan_policy="skip", max_skipped_steps=2)
    task = PixelTask(poison=poison_at((0, 1), (0, 2), (0, 3)))
    train(tmp_path, config, task, stop_after_step=3)
    with pytest.raises(TooManySkippedSteps) as caught:
        train(tmp_path, config, task)
    assert caught.value.step == 4


@pytest.mark.fault  # row 44
def test_weights_that_explode_are_reported_with_the_way_out(tmp_path: Path) -> None:
    config = replace(CONFIG, lr=1e30, optimizer="sgd", max_grad_norm=None)
    with pytest.raises(LossNotFinite, match=r"step \d+ .*Lower lr"):
        train(tmp_path, config, PixelTaskWithoutNorm())


def test_best_is_the_first_of_equal_epochs_and_its_checkpoint_is_kept(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=6, lr=1e-9, keep_last=1)  # nothing is learnt, so all epochs are equal
    result, _, _ = train(tmp_path, config, PixelTaskWithoutNorm(dropout=0.0))
    assert result.best is not None
    assert result.best.epoch == 1
    names = {checkpoint.name for checkpoint in CheckpointStore(run_paths(tmp_path).checkpoint_dir, 2).committed()}
    assert result.best.checkpoint in names
    assert len(names) == 2


STALLING = replace(CONFIG, epochs=9, lr=1e-9, early_stop_patience=3)  # nothing is learnt, so no epoch improves


def test_run_that_improves_no_more_stops_early_and_succeeds(tmp_path: Path) -> None:
    task = PixelTaskWithoutNorm(dropout=0.0)
    result, reporter, _ = train(tmp_path, STALLING, task)
    assert (result.outcome, result.stopped_early, result.epoch) == ("succeeded", True, 4)
    assert [row["kind"] for row in reporter.rows].count("epoch") == 4
    (note,) = reporter.notes
    assert note.startswith("stopped early after epoch 4 of 9: val_acc@1 has not improved by more than 0 in the last 3")
    again, reporter, _ = train(tmp_path, STALLING, task)
    assert (again.outcome, again.stopped_early, again.epoch) == ("succeeded", True, 4)
    assert [row["kind"] for row in reporter.rows] == ["test"]


def test_patience_is_counted_across_a_resume(tmp_path: Path) -> None:
    task = PixelTaskWithoutNorm(dropout=0.0)
    stopped, _, _ = train(tmp_path, STALLING, task, stop_after_step=16)
    assert (stopped.outcome, stopped.stopped_early) == ("stopped", False)
    result, _, _ = train(tmp_path, STALLING, task)
    assert (result.stopped_early, result.epoch) == (True, 4)


def test_run_that_improves_or_has_no_epochs_left_does_not_stop_early(tmp_path: Path) -> None:
    result, _, _ = train(tmp_path / "a", replace(CONFIG, early_stop_patience=1))
    assert (result.stopped_early, result.epoch) == (False, 3)
    result, reporter, _ = train(tmp_path / "b", replace(STALLING, epochs=4), PixelTaskWithoutNorm(dropout=0.0))
    assert (result.stopped_early, result.epoch) == (False, 4)
    assert reporter.notes == ["early_stop_patience 3 can't end a run of 4 epochs early"]


@pytest.mark.parametrize(
    ("mode", "values", "stalled_epochs"),
    [
        ("max", [0.5, 0.55, 0.59, 0.605], 0),  # 0.605 is more than 0.1 above 0.5: small gains add up
        ("max", [0.5, 0.59, 0.4], 2),
        ("min", [0.5, 0.45, 0.39], 0),
        ("min", [0.5, None, 0.45], 2),
        ("max", [None, 0.1], 0),
    ],
)
def test_improvement_is_measured_from_the_last_one_that_counted(
    mode: str, values: list[float | None], stalled_epochs: int
) -> None:
    progress = Progress()
    for value in values:
        progress.note_metric(value, mode, min_delta=0.1)
    assert progress.stalled_epochs == stalled_epochs


def test_predictions_of_every_epoch_of_the_best_and_of_the_test_are_reported(tmp_path: Path) -> None:
    config = replace(CONFIG, lr=1e-9)  # nothing is learnt, so the first epoch stays the best
    _, reporter, _ = train(tmp_path, config, PixelTaskWithoutNorm(dropout=0.0))
    assert [event for event in reporter.events if event.startswith("predictions")] == [
        "predictions val_best val_last of epoch 1",
        "predictions val_last of epoch 2",
        "predictions val_last of epoch 3",
        "predictions test of epoch 1",
    ]


def test_rows_are_durable_before_the_checkpoint_that_covers_them(tmp_path: Path) -> None:
    _, reporter, _ = train(tmp_path)
    saves = [index for index, event in enumerate(reporter.events) if event == "saving"]
    assert len(saves) == CONFIG.epochs
    assert all(reporter.events[index - 1] == "sync" for index in saves)


class TimedTask(PixelTask):
    """Each of its steps takes 20 seconds of a clock of its own."""

    elapsed_s = 0.0

    def step(self, *arguments: Any) -> StepSums:
        self.elapsed_s += 20.0
        return super().step(*arguments)


@pytest.mark.parametrize(
    ("every_steps", "saved_after"),
    [
        (None, [3, 6, 7, 10, 13, 14]),
        (5, [3, 5, 7, 10, 13, 14]),  # the minute is counted from the last save, whatever its reason
    ],
)
def test_checkpoint_every_minutes_counts_from_the_last_save(
    tmp_path: Path, every_steps: int | None, saved_after: list[int]
) -> None:
    config = replace(CONFIG, epochs=2, checkpoint_every_minutes=1.0, checkpoint_every_steps=every_steps)
    task = TimedTask()
    _, reporter, _ = train(tmp_path, config, task, clock=lambda: task.elapsed_s)
    assert [int(name[-6:]) for name in reporter.checkpoints] == saved_after


def test_checkpoint_every_steps_adds_none_at_the_end_of_an_epoch(tmp_path: Path) -> None:
    _, reporter, _ = train(tmp_path, replace(CONFIG, epochs=2, checkpoint_every_steps=7))
    assert reporter.checkpoints == ["epoch_001-step_000007", "epoch_002-step_000014"]
    _, reporter, _ = train(tmp_path / "b", replace(CONFIG, epochs=1, checkpoint_every_steps=3))
    assert reporter.checkpoints == [f"epoch_001-step_00000{step}" for step in (3, 6, 7)]


def test_resume_on_other_data_is_refused_with_both_fingerprints(tmp_path: Path) -> None:
    train(tmp_path, stop_after_step=3)
    with pytest.raises(ResumeRefused, match="data_fingerprint was 'digits-200' and is 'digits-201' now"):
        train(tmp_path, task=PixelTask(num_train=201))


def test_thread_count_of_the_first_attempt_is_kept(tmp_path: Path) -> None:
    train(tmp_path, stop_after_step=3)
    _, reporter, _ = train(tmp_path, replace(CONFIG, num_threads=2))
    assert reporter.plan is not None
    assert reporter.plan.compute["num_threads"] == 1
    assert "keeps the run's 1 threads" in reporter.notes[0]


def test_learning_rate_rises_then_falls(tmp_path: Path) -> None:
    _, reporter, _ = train(tmp_path, replace(CONFIG, warmup_ratio=0.3, log_interval_steps=1))
    rates = [row["lr"] for row in reporter.rows if row["kind"] == "train"]
    assert rates.index(max(rates)) == 5
    assert max(rates) == pytest.approx(CONFIG.lr)
    assert rates[:6] == sorted(rates[:6])
    assert rates[6:] == sorted(rates[6:], reverse=True)


def test_interval_rows_average_to_the_epoch_row(tmp_path: Path) -> None:
    task = PixelTask(num_train=192)  # six full batches: each interval of two steps weighs the same
    _, reporter, _ = train(tmp_path, replace(CONFIG, epochs=1), task)
    steps = [row["train_loss"] for row in reporter.rows if row["kind"] == "train"]
    (epoch,) = [row["train_loss"] for row in reporter.rows if row["kind"] == "epoch"]
    assert sum(steps) / len(steps) == pytest.approx(epoch)


def test_run_without_test_split_reports_none(tmp_path: Path) -> None:
    task = PixelTask(has_test=False)
    result, reporter, _ = train(tmp_path, task=task)
    assert result.test_values == {}
    assert "test" not in {row["kind"] for row in reporter.rows}
    assert len(task.exported) == 1


class ConvTask(PixelTask):
    """The digits as 8x8 images, learnt by a small network of convolutions in channels-last format."""

    def build_model(self) -> torch.nn.Module:
        reseed(derive_seed(self.seed, "init"))
        return torch.nn.Sequential(
            torch.nn.Unflatten(1, (1, 8, 8)),
            torch.nn.Conv2d(1, 8, 3),
            torch.nn.ReLU(),
            torch.nn.Conv2d(8, 8, 3),
            torch.nn.Flatten(),
            torch.nn.Linear(128, 10),
        ).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_run_in_channels_last_resumes_bit_exactly(tmp_path: Path, optimizer: str) -> None:
    """A fused optimizer walks weights and moments side by side: moments in another order would be other moments."""
    config = replace(CONFIG, optimizer=optimizer, epochs=1)
    _, _, weights = train(tmp_path / "a", config, ConvTask())
    train(tmp_path / "b", config, ConvTask(), stop_after_step=4)
    _, _, others = train(tmp_path / "b", config, ConvTask())
    assert_same_weights(weights, others)


def test_deterministic_sets_the_kernels_and_the_next_run_resets_them(tmp_path: Path) -> None:
    train(tmp_path / "a", replace(CONFIG, deterministic=True, epochs=1))
    assert torch.are_deterministic_algorithms_enabled()
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == (True, False)
    train(tmp_path / "b", replace(CONFIG, epochs=1))
    assert not torch.are_deterministic_algorithms_enabled()
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == (False, True)
