"""The learning rate as a pure function of the optimizer step: nothing to save, nothing to restore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from utp.config.train import TrainConfig
from utp.core.schedules.entries import SCHEDULES


@dataclass(frozen=True)
class Schedule:
    """Warm-up to the peak, a straight line unless the curve shapes it, then the curve of the schedule's entry."""

    total_steps: int
    warmup_steps: int
    curve: Callable[[float, Any], float]
    options: Any
    shapes_warmup: bool = False
    spans_run: bool = False

    def factor(self, step: int) -> float:
        """Share of the peak rate that optimizer step `step` (0 is the first) takes.

        The first step of warm-up already learns (1/warmup_steps, not 0) and the last one reaches the peak.
        """
        if step < self.warmup_steps:
            if self.shapes_warmup:
                return self.curve(step / self.warmup_steps - 1, self.options)
            return (step + 1) / self.warmup_steps
        start = 0 if self.spans_run else self.warmup_steps
        progress = (step - start) / max(1, self.total_steps - start)
        return self.curve(min(progress, 1.0), self.options)


def build_schedule(config: TrainConfig, total_steps: int) -> Schedule:
    """Return the schedule of a run of `total_steps` optimizer steps."""
    entry = SCHEDULES.get(config.schedule)
    options = entry.check_options(config.schedule_options, "schedule_options")
    warmup_steps = round(config.warmup_ratio * total_steps)
    return Schedule(total_steps, warmup_steps, entry.load(), options, **entry.traits)
