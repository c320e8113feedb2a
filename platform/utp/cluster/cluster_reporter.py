"""`ClusterReporter`: rank 0's reporter in a cluster. The journal as everywhere, and the line to the head beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from utp.cluster.head_line import HeadLine
from utp.core.checkpoint import Checkpoint
from utp.core.journal import AttemptJournal
from utp.core.local_reporter import LocalReporter
from utp.core.reporter import MetricRow, RunPlan

OUTCOMES = {"pause": "paused", "preempt": "preempted"}
"""Outcome of an attempt that left since somebody wished so; of any other wish it is `stopped`."""


class ClusterReporter(LocalReporter):
    """Writes the journal and tells the head.

    Args:
        journal: of the attempt that runs.
        line: to the head.
        is_signalled: whether this process was sent SIGINT or SIGTERM.
        on_epoch: called after each epoch with its row.
        on_progress: called at each step, change of phase, and batch of an evaluation.
    """

    def __init__(
        self,
        journal: AttemptJournal,
        line: HeadLine,
        is_signalled: Callable[[], bool],
        on_epoch: Callable[[MetricRow], None],
        on_progress: Callable[[], None],
    ) -> None:
        super().__init__(journal, LogDisplay(), lambda: is_signalled() or line.should_stop())
        self._line = line
        self._on_epoch = on_epoch
        self._on_progress = on_progress
        self._position = (0, 0)
        self._phase = ""
        self._num_polls = 0

    def log_plan(self, plan: RunPlan) -> None:
        """Open the attempt and say that training begins."""
        super().log_plan(plan)
        self._position = (plan.start_step, plan.start_epoch)
        facts: dict[str, Any] = {
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "start_step": plan.start_step,
            "total_steps": plan.total_steps,
            "epochs": plan.epochs,
        }
        self._line.tell_started(facts)

    def log_step(self, step: int, epoch: int) -> None:
        """Set what the next beat says."""
        self._position = (step, epoch)
        self._line.tell_progress(step, epoch, "")
        self._on_progress()

    def log_phase(self, phase: str) -> None:
        """Set what the next beat says."""
        super().log_phase(phase)
        self._phase, self._num_polls = phase, 0
        self._line.tell_progress(*self._position, phase)
        self._on_progress()

    def should_stop(self) -> bool:
        """Whether to leave. That the loop asks is progress: an evaluation does so at each batch."""
        if self._phase:
            self._num_polls += 1
            self._line.tell_progress(*self._position, f"{self._phase}, batch {self._num_polls}")
            self._on_progress()
        return super().should_stop()

    def log_row(self, row: MetricRow) -> None:
        """Write the row; at an epoch's end, tell whoever waits for it."""
        super().log_row(row)
        if row["kind"] == "epoch":
            self._on_epoch(row)

    def name_stop(self) -> str:
        """Return the outcome of an attempt that was asked to leave."""
        return OUTCOMES.get(self._line.wish, "stopped")


class LogDisplay:
    """Plain lines for the rank's log; notes and checkpoints stand there already, written by the journal."""

    def show_plan(self, plan: RunPlan) -> None:
        """Say what is about to happen."""
        start = f", going on after step {plan.start_step}" if plan.start_step else ""
        compute = f"{plan.compute['device']}, {plan.compute['autocast_dtype']}, {plan.compute['num_threads']} threads"
        self._print(f"training {plan.epochs} epochs of {plan.steps_per_epoch} steps on {compute}{start}")

    def show_step(self, step: int, epoch: int) -> None:
        """Not shown: there are too many."""

    def show_row(self, row: MetricRow) -> None:
        """Print the numbers of a row."""
        numbers = [f"{name} {value:.5g}" for name, value in row.items() if isinstance(value, float)]
        self._print(f"{row['kind']} step {row['step']} epoch {row['epoch']}: {', '.join(numbers)}")

    def show_phase(self, phase: str) -> None:
        """Print what the run is busy with."""
        if phase:
            self._print(phase)

    def show_note(self, sentence: str) -> None:
        """Written by the journal."""

    def show_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Written by the journal."""

    def _print(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
