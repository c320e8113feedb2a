"""A disk that is full for a while costs a run no row: they wait, the person is told, and the next ones bring them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.support.file_size_limit import file_size_limit

from utp.config.paths import RunPaths
from utp.core.checkpoint import Checkpoint
from utp.core.journal import AttemptJournal, read_rows
from utp.core.local_reporter import LocalReporter
from utp.core.reporter import MetricRow, RunPlan
from utp.core.task import Evaluation

PLAN = RunPlan(9, 9, 1, 0, 0, num_trainable_parameters=1, num_parameters=1, compute={})


class Notes:
    """A display that keeps sentences."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def show_plan(self, plan: RunPlan) -> None: ...

    def show_step(self, step: int, epoch: int) -> None: ...

    def show_row(self, row: MetricRow) -> None: ...

    def show_phase(self, phase: str) -> None: ...

    def show_note(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def show_checkpoint(self, checkpoint: Checkpoint) -> None: ...


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[AttemptJournal]:
    paths = RunPaths(tmp_path / "run", tmp_path / "checkpoints")
    paths.run_dir.mkdir()
    with AttemptJournal(paths) as journal:
        yield journal


def row(step: int) -> dict[str, Any]:
    return {"kind": "epoch", "step": step, "epoch": 1, "val_loss": step / 2}


def test_rows_that_a_full_disk_refuses_are_written_with_the_next(journal: AttemptJournal) -> None:
    display = Notes()
    reporter = LocalReporter(journal, display, lambda: False)
    reporter.log_plan(PLAN)
    reporter.log_row(row(1))
    with file_size_limit(200):
        for step in range(2, 6):
            reporter.log_row(row(step))
        with pytest.raises(OSError, match="File too large"):
            reporter.sync()
    reporter.log_row(row(6))
    reporter.sync()
    reporter.close({}, {})
    assert [one["step"] for one in read_rows(journal.paths.attempt(1).metrics)] == [1, 2, 3, 4, 5, 6]
    refused, mended = display.sentences
    assert "they wait in memory: free some space" in refused
    assert "all metrics are written" in mended
    events = EventAccumulator(str(journal.paths.tensorboard))
    events.Reload()
    assert [event.step for event in events.Scalars("val/loss")] == [1, 2, 3, 4, 5, 6]


def test_figures_that_a_full_disk_refuses_are_noted(journal: AttemptJournal) -> None:
    display = Notes()
    reporter = LocalReporter(journal, display, lambda: False)
    reporter.log_plan(PLAN)
    evaluation = Evaluation(values={}, figures={"roc": lambda: Figure(figsize=(1, 1))}, tables={"per_class": []})
    with file_size_limit(0):
        reporter.log_evaluation("val", 1, 5, evaluation)
    assert display.sentences == [
        f"the figures and tables of val after epoch 1 were not written: [Errno {errno.EFBIG}] File too large"
    ]
    reporter.log_evaluation("val", 2, 10, evaluation)
    assert (journal.paths.figures / "per_class_val.json").exists()
    reporter.close({}, {})


def test_tensorboard_shows_no_step_twice_after_an_attempt_that_died_without_a_checkpoint(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "run", tmp_path / "checkpoints")
    paths.run_dir.mkdir()
    for steps in (4, 2):
        with AttemptJournal(paths) as journal:
            reporter = LocalReporter(journal, Notes(), lambda: False)
            reporter.log_plan(PLAN)
            for step in range(1, steps + 1):
                reporter.log_row(row(step))
            reporter.log_phase("saving")
    events = EventAccumulator(str(paths.tensorboard))
    events.Reload()
    assert [event.step for event in events.Scalars("val/loss")] == [1, 2]
