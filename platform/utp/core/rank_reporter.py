"""`RankReporter`: the reporter of the workers beside rank 0, which tells all that concerns the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from utp.core.checkpoint import Checkpoint
from utp.core.reporter import MetricRow, RunPlan
from utp.core.task import Evaluation


class RankReporter:
    """Takes notes to the rank's own log, and leaves the rest to rank 0.

    Args:
        note: takes a sentence.
        on_epoch: called after each epoch with its row, the same on every rank.
        on_progress: called at each step, change of phase, and batch of an evaluation.
    """

    def __init__(
        self, note: Callable[[str], None], on_epoch: Callable[[MetricRow], None], on_progress: Callable[[], None]
    ) -> None:
        self._note = note
        self._on_epoch = on_epoch
        self._on_progress = on_progress

    def log_plan(self, plan: RunPlan) -> None:
        """Left to rank 0."""

    def log_step(self, step: int, epoch: int) -> None:
        """Tell of progress."""
        self._on_progress()

    def log_row(self, row: MetricRow) -> None:
        """Tell of an epoch's end; its values are those of rank 0."""
        if row["kind"] == "epoch":
            self._on_epoch(row)

    def log_evaluation(self, split: str, epoch: int, step: int, evaluation: Evaluation) -> None:
        """Left to rank 0."""

    def log_predictions(self, names: Sequence[str], epoch: int, step: int, evaluation: Evaluation) -> None:
        """Left to rank 0."""

    def log_phase(self, phase: str) -> None:
        """Tell of progress."""
        self._on_progress()

    def log_note(self, sentence: str) -> None:
        """Write to the rank's log."""
        self._note(sentence)

    def log_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Left to rank 0."""

    def sync(self) -> None:
        """Nothing is written here."""

    def should_stop(self) -> bool:
        """Tell of progress, since an evaluation asks at each batch; rank 0 is who decides."""
        self._on_progress()
        return False
