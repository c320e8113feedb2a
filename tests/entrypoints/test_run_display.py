"""What the terminal shows of a row, whatever the task reports, and how often it moves the bar."""

from __future__ import annotations

import os
import signal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from utp.config.paths import RunPaths
from utp.core.reporter import RunPlan
from utp.entrypoints.run_display import ConsoleDisplay, describe_row, summarise

TRAIN = {"kind": "train", "train_loss": 0.5, "lr": 1e-3, "images_per_s": 80.4, "data_wait_share": 0.01}


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (
            {**TRAIN, "train_acc@1": 0.25},
            "loss 0.5000  acc 0.2500  lr 1.00e-03  80 img/s  data wait 1%",
        ),
        (TRAIN, "loss 0.5000  lr 1.00e-03  80 img/s  data wait 1%"),
        (
            {"kind": "epoch", "epoch": 2, "train_loss": 0.5, "train_acc@1": 0.25,
             "val_loss": 1.0, "val_acc@1": None, "val_f1_macro": 0.5},
            "epoch   2  train loss 0.5000 acc 0.2500  val loss 1.0000 acc@1 - f1 0.5000",
        ),
        ({"kind": "epoch", "epoch": 2, "train_loss": 0.5, "val_map": 0.3}, "epoch   2  train loss 0.5000"),
        ({"kind": "epoch", "epoch": 2}, "epoch   2"),
        ({"kind": "test", "epoch": 3, "test_acc@1": 0.5}, "test of epoch 3  acc@1 0.5000"),
        ({"kind": "test", "epoch": 3, "test_map": 0.5}, "test of epoch 3"),
    ],
)  # fmt: skip
def test_row_shows_what_the_task_reports(row: dict[str, Any], line: str) -> None:
    assert describe_row(row) == line


def test_attempt_whose_end_could_not_be_written_is_summed_up_with_the_way_on(tmp_path: Path) -> None:
    answer = Console(file=StringIO())
    summarise(answer, RunPaths(tmp_path / "run", tmp_path / "checkpoints"), {})
    told = answer.file.getvalue()  # type: ignore[attr-defined]
    assert "interrupted: how it ended could not be written" in told
    assert "resume" in told


def test_bar_moves_at_most_as_often_as_it_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("utp.entrypoints.run_display.time.monotonic", lambda: now)
    console = Console(file=StringIO(), force_terminal=True)
    display = ConsoleDisplay(console, console)
    compute = {"device": "cpu", "autocast_dtype": "float32", "num_threads": 1}
    display.show_plan(
        RunPlan(
            total_steps=10, steps_per_epoch=10, epochs=1, start_step=0, start_epoch=0, num_trainable_parameters=1,
            num_parameters=1, compute=compute,
        )
    )  # fmt: skip
    shown = []
    for step, seconds in ((1, 0.0), (2, 0.1), (3, 0.2), (4, 0.3)):
        now = 100.0 + seconds
        display.show_step(step, epoch=1)
        shown.append(display._progress.tasks[0].completed)
    assert shown == [1, 1, 1, 4]


def test_stop_that_interrupts_a_write_of_the_terminal_is_no_error() -> None:
    """The handler runs within the write, which a pager lets wait; Python refuses one within another."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with os.fdopen(writer, "w", buffering=1) as terminal:
        display = ConsoleDisplay(Console(file=terminal), Console(file=StringIO()))
        handled: list[int] = []

        def handle(number: int, frame: object) -> None:
            display.show_stopping()
            handled.append(number)
            os.read(reader, 1 << 20)  # the pager goes on, and the write with it

        previous = signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            terminal.write("x" * 100_000)  # more than a pipe holds
            terminal.flush()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        assert handled == [signal.SIGALRM]
        os.read(reader, 1 << 20)
    os.close(reader)
