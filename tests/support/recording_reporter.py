"""A reporter that keeps what it is told, and can be asked to stop after so many steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from utp.core.checkpoint import Checkpoint
from utp.core.reporter import TIMING_FIELDS, MetricRow, RunPlan
from utp.core.task import Evaluation


@dataclass
class RecordingReporter:
    stop_after_step: int | None = None
    rows: list[MetricRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    plan: RunPlan | None = None
    step: int = 0

    def log_plan(self, plan: RunPlan) -> None:
        self.plan, self.step = plan, plan.start_step

    def log_step(self, step: int, epoch: int) -> None:
        self.step = step

    def log_row(self, row: MetricRow) -> None:
        self.rows.append(row)
        self.events.append("row")

    def log_evaluation(self, split: str, epoch: int, step: int, evaluation: Evaluation) -> None:
        self.events.append(f"evaluation {split}")

    def log_predictions(self, names: Sequence[str], epoch: int, step: int, evaluation: Evaluation) -> None:
        self.events.append(f"predictions {' '.join(names)} of epoch {epoch}")

    def log_phase(self, phase: str) -> None:
        if phase == "saving":
            self.events.append(phase)

    def log_note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def log_checkpoint(self, checkpoint: Checkpoint) -> None:
        self.checkpoints.append(checkpoint.name)
        self.events.append("checkpoint")

    def sync(self) -> None:
        self.events.append("sync")

    def should_stop(self) -> bool:
        return self.stop_after_step is not None and self.step >= self.stop_after_step


def without_timings(rows: list[MetricRow]) -> list[dict[str, Any]]:
    """Return rows with the fields that differ between two equal runs taken out."""
    return [{key: value for key, value in row.items() if key not in TIMING_FIELDS} for row in rows]
