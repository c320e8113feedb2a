"""The learning rate as a pure function of the optimizer step: nothing to save, nothing to restore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from utp.config.train import TrainConfig
from utp.core.schedules.entries import SCHEDULES


@dataclass(frozen=True)
class Schedule:
    """Linear warm-up to the peak, then the curve of the schedule's entry."""

    total_steps: int
    warmup_steps: int
    curve: Callable[[float, Any], float]
    options: Any

    def factor(self, step: int) -> float:
        """Share of the peak rate that optimizer step `step` (0 is the first) takes.

        The first step of warm-up already learns (1/warmup_steps, not 0) and the last one reaches the peak.
        """
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        return self.curve(min(progress, 1.0), self.options)


def build_schedule(config: TrainConfig, total_steps: int) -> Schedule:
    """Return the schedule of a run of `total_steps` optimizer steps."""
    entry = SCHEDULES.get(config.schedule)
    options = entry.check_options(config.schedule_options, "schedule_options")
    return Schedule(total_steps, round(config.warmup_ratio * total_steps), entry.load(), options)
