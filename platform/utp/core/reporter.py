"""`Reporter`: where the loop's news go. The loop knows this protocol alone; laptop and cluster fill it differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from utp.core.checkpoint import Checkpoint
from utp.core.task import Evaluation

MetricRow = Mapping[str, Any]
"""One line of `metrics.jsonl`: `kind` (train, epoch or test), `step`, `epoch` (from 1), metric ids, and timings."""

TIMING_FIELDS = frozenset({"time", "attempt", "images_per_s", "data_wait_share", "eval_s"})
"""Fields of a row that differ between two equal runs; all others are a function of config, data and thread count."""


@dataclass(frozen=True)
class RunPlan:
    """What an attempt is about to do; known before the first step."""

    total_steps: int
    steps_per_epoch: int
    epochs: int
    start_step: int
    start_epoch: int
    num_trainable_parameters: int
    num_parameters: int
    compute: Mapping[str, Any]


class Reporter(Protocol):
    """Takes away what the loop has to tell, and says when to stop. No method may make the loop wait for a device."""

    def log_plan(self, plan: RunPlan) -> None:
        """Called once per attempt, before the first step."""
        ...

    def log_step(self, step: int, epoch: int) -> None:
        """Called after every optimizer step; has to be cheap."""
        ...

    def log_row(self, row: MetricRow) -> None:
        """Take one row of metrics."""
        ...

    def log_evaluation(self, split: str, epoch: int, step: int, evaluation: Evaluation) -> None:
        """Take the figures and tables of an evaluation that is worth keeping: a new best, or the test."""
        ...

    def log_predictions(self, names: Sequence[str], epoch: int, step: int, evaluation: Evaluation) -> None:
        """Take what was predicted of each sample, under each of these names: `val_best`, `val_last`, `test`."""
        ...

    def log_phase(self, phase: str) -> None:
        """Say what the run is busy with besides training: `evaluating val`, `saving`; empty for training."""
        ...

    def log_note(self, sentence: str) -> None:
        """Take a sentence for the run's log."""
        ...

    def log_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Called after each commit."""
        ...

    def sync(self) -> None:
        """Make all rows so far durable; called before a commit, which says that they need not be computed again.

        Raises `OSError`, which costs that commit.
        """
        ...

    def should_stop(self) -> bool:
        """Whether someone asked the run to save and leave; polled every step."""
        ...
