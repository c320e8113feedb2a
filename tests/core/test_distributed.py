"""Two workers against one: the same batches, the same decisions, every sample of an evaluation once, no hang."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.support.noise_images import CONFIG as IMAGES
from tests.support.noise_images import run_images, write_noise
from tests.support.pixel_task import PixelTask
from tests.support.recording_reporter import RecordingReporter, without_timings
from tests.support.worker_group import WorkerGroup

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.data.shares import train_shares
from utp.core.distributed import gather_objects, on_first_rank, rank
from utp.core.loop import fit
from utp.core.metrics.collector import ScoreCollector
from utp.core.metrics.gathering import gather_scores
from utp.errors import LossNotFinite, ResumeRefused

CONFIG = TrainConfig(
    root="unused",
    model_flavour="unused",
    epochs=2,
    lr=0.01,
    autocast_dtype="float32",
    num_threads=1,
    log_interval_steps=2,
)


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerGroup]:
    group = WorkerGroup()
    yield group
    group.close()


def train(
    folder: Path, config: TrainConfig = CONFIG, task: PixelTask | None = None, stops: dict[int, int] | None = None
) -> tuple[Any, list[Any], list[str]]:
    """Train as one rank; return the result, rows and notes. `stops`: rank to the step after which it wants to stop."""
    task = task or PixelTask(dropout=0.0, has_batch_norm=False)
    reporter = RecordingReporter((stops or {}).get(rank()))
    paths = RunPaths(folder / "runs", folder / "checkpoints")
    paths.checkpoint_dir.mkdir(parents=True, exist_ok=True)
    store = CheckpointStore(paths.checkpoint_dir, attempt=1)
    result = fit(config, task, reporter, Checkpointer(config, task.identity, paths, store, reporter.log_note))
    return result, without_timings(reporter.rows), reporter.notes


def newest(folder: Path, file: str = "model.safetensors") -> dict[str, torch.Tensor]:
    return load_file(CheckpointStore(folder / "checkpoints", attempt=9).committed()[-1].directory / file)


def assert_close_rows(rows: list[Any], others: list[Any]) -> None:
    for row, other in zip(rows, others, strict=True):
        assert row.keys() == other.keys()
        for name, value in row.items():
            assert value == (pytest.approx(other[name], rel=1e-4) if isinstance(value, float) else other[name])


@pytest.mark.parametrize("accumulated", [1, 3])
def test_two_workers_train_as_one_does_on_the_same_batches(
    tmp_path: Path, workers: WorkerGroup, accumulated: int
) -> None:
    # 101 samples in batches of 32: a short last batch of 5 and a short last group.
    config = replace(CONFIG, grad_accum_steps=accumulated, max_grad_norm=1.0, ema_decay=0.9)
    task = PixelTask(dropout=0.0, has_batch_norm=False, num_train=101)
    result, rows, _ = train(tmp_path / "one", config, task)
    first, second = workers.run(train, tmp_path / "two", config, task)
    assert_close_rows(first[1], rows)
    assert first[1] == second[1]
    assert first[0].best.epoch == result.best.epoch
    for file in ("model.safetensors", "ema.safetensors"):
        for name, weights in newest(tmp_path / "one", file).items():
            torch.testing.assert_close(newest(tmp_path / "two", file)[name], weights, rtol=1e-4, atol=1e-5)


def test_stop_wished_by_one_rank_stops_all_after_the_same_step(tmp_path: Path, workers: WorkerGroup) -> None:
    stopped = workers.run(train, tmp_path, CONFIG, None, {1: 3})
    assert [(result.outcome, result.step) for result, _, _ in stopped] == [("stopped", 3)] * 2


def test_stopped_and_resumed_pair_equals_the_undisturbed_one_bit_for_bit(tmp_path: Path, workers: WorkerGroup) -> None:
    task = PixelTask()  # with batch norm and dropout
    (_, rows, _), _ = workers.run(train, tmp_path / "a", CONFIG, task)
    (_, before, _), _ = workers.run(train, tmp_path / "b", CONFIG, task, {0: 9})
    (_, after, _), _ = workers.run(train, tmp_path / "b", CONFIG, task)
    assert before + after == rows
    for name, weights in newest(tmp_path / "a").items():
        assert torch.equal(newest(tmp_path / "b")[name], weights)


@pytest.mark.parametrize("from_one", [True, False])
def test_run_goes_on_with_another_number_of_workers(tmp_path: Path, workers: WorkerGroup, from_one: bool) -> None:
    result, rows, _ = train(tmp_path / "one")
    start = functools.partial(train, tmp_path / "both")
    if from_one:
        (_, before, _), ((resumed, after, notes), _) = start(CONFIG, None, {0: 9}), workers.run(start)
    else:
        ((_, before, _), _), (resumed, after, notes) = workers.run(start, CONFIG, None, {0: 9}), start()
    assert_close_rows(before + after, rows)
    assert resumed.step == result.step
    assert any("the same batches over all of them, other roundings" in note for note in notes)


def poison_rank_one(epoch: int, batch: int, pixels: torch.Tensor) -> torch.Tensor:
    return pixels * torch.nan if rank() == 1 and (epoch, batch) == (0, 2) else pixels


def test_loss_that_is_not_finite_on_one_rank_fails_all_at_the_same_step(tmp_path: Path, workers: WorkerGroup) -> None:
    errors = workers.run(train, tmp_path, CONFIG, PixelTask(dropout=0.0, poison=poison_rank_one))
    assert [(type(error), error.step) for error in errors] == [(LossNotFinite, 3)] * 2


def test_step_that_is_not_finite_on_one_rank_is_skipped_on_all(tmp_path: Path, workers: WorkerGroup) -> None:
    config = replace(CONFIG, nan_policy="skip")
    task = PixelTask(dropout=0.0, has_batch_norm=False, poison=poison_rank_one)
    (first, rows, notes), (_, others, _) = workers.run(train, tmp_path, config, task)
    assert first.outcome == "succeeded"
    assert rows == others
    assert any("step 3 was skipped" in note for note in notes)


@pytest.mark.parametrize("batch_size", [33, 7])
def test_batch_that_two_workers_cannot_share_evenly_is_trained_as_by_one(
    tmp_path: Path, workers: WorkerGroup, batch_size: int
) -> None:
    config = replace(CONFIG, batch_size=batch_size)
    _, rows, _ = train(tmp_path / "one", config)
    (_, others, _), _ = workers.run(train, tmp_path / "two", config)
    assert_close_rows(others, rows)


@pytest.mark.parametrize("num_train", [1, 2, 3, 33])
def test_fewer_samples_than_workers_and_last_batches_of_one_train_without_a_hang(
    tmp_path: Path, workers: WorkerGroup, num_train: int
) -> None:
    task = PixelTask(dropout=0.0, has_batch_norm=False, num_train=num_train)
    _, rows, _ = train(tmp_path / "one", CONFIG, task)
    (_, others, _), _ = workers.run(train, tmp_path / "two", CONFIG, task)
    assert_close_rows(others, rows)


IMAGE_CONFIG = replace(IMAGES, model_flavour="builtin/vit-micro", epochs=1, batch_size=6)


@pytest.mark.parametrize(
    ("num_train", "num_val"), [({"a": 9, "b": 10}, {"a": 6, "b": 5}), ({"a": 1, "b": 2}, {"a": 1})]
)
def test_two_workers_reach_the_metrics_of_one_on_odd_numbers_of_images(
    tmp_path: Path, workers: WorkerGroup, num_train: dict[str, int], num_val: dict[str, int]
) -> None:
    write_noise(tmp_path / "data", num_train, num_val)
    one, _ = run_images(tmp_path, IMAGE_CONFIG, "one")
    (first, _), (second, _) = workers.run(run_images, tmp_path, IMAGE_CONFIG, "two")
    rows, others = without_timings(one.rows), without_timings(first.rows)
    assert others[-1]["val_loss"] == pytest.approx(rows[-1]["val_loss"], rel=1e-4)
    assert_close_rows(others, rows)
    assert without_timings(second.rows) == others


def test_corrupt_images_are_counted_over_all_workers(tmp_path: Path, workers: WorkerGroup) -> None:
    write_noise(tmp_path / "data", {"a": 6, "b": 6}, {"a": 10, "b": 10})
    (tmp_path / "data/val/a/00.png").write_bytes(b"no picture")
    (tmp_path / "data/val/b/09.png").write_bytes(b"no picture")
    config = replace(IMAGE_CONFIG, on_corrupt="skip", max_corrupt_share=0.08)  # one of 20 would be allowed, two are not
    for error in workers.run(run_images, tmp_path, config, "two"):
        assert "2 of 20 images of val can't be decoded" in str(error)


def collect_part(sizes: dict[int, tuple[int, ...]]) -> tuple[list[int], list[float]] | None:
    """Add batches of these sizes to this rank's collector, gather; return indices and first logits on rank 0."""
    collector = ScoreCollector(3)
    start = sum(sizes[0]) if rank() else 0
    for size in sizes[rank()]:
        indices = torch.arange(start, start + size)
        collector.add(indices[:, None].expand(-1, 3).float(), indices % 3, indices.float(), indices)
        start += size
    scores = gather_scores(collector)
    return None if scores is None else (scores.indices.tolist(), scores.logits[:, 0].tolist())


@pytest.mark.parametrize("sizes", [{0: (4, 4, 1), 1: (4, 3)}, {0: (1,), 1: ()}, {0: (), 1: (2,)}])
def test_scores_of_all_ranks_reach_rank_0_once_and_in_order(workers: WorkerGroup, sizes: Any) -> None:
    gathered, nothing = workers.run(collect_part, sizes)
    expected = list(range(sum(sizes[0]) + sum(sizes[1])))
    assert gathered == (expected, [float(index) for index in expected])
    assert nothing is None


def shares(batch_sizes: tuple[int, ...], batch_size: int) -> list[Any]:
    return gather_objects(train_shares([(0, index) for index in range(sum(batch_sizes))], batch_sizes, batch_size))  # type: ignore[misc]


@pytest.mark.parametrize("last", range(1, 8))
def test_shares_of_a_batch_hold_each_sample_once_and_no_lone_one(workers: WorkerGroup, last: int) -> None:
    (parts, same) = workers.run(shares, (8, last), 8)
    assert parts == same
    counted = Counter[int]()
    for part in parts:
        start = 0
        for size, is_stand_in in zip(part.sizes, part.stand_ins, strict=True):
            assert is_stand_in or size > 1 or last == 1
            counted.update({} if is_stand_in else [key[1] for key in part.keys[start : start + size]])
            start += size
    assert counted == Counter(range(8 + last))


def refuse() -> None:
    def fail() -> None:
        raise ResumeRefused("run", "it is over")

    on_first_rank(fail)


def test_error_of_rank_0_is_raised_on_all(workers: WorkerGroup) -> None:
    assert [str(error) for error in workers.run(refuse)] == ["run can't be resumed: it is over"] * 2
