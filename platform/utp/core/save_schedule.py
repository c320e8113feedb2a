"""`SaveSchedule`: when a checkpoint is due within an epoch, by steps, by time, or by both."""

from __future__ import annotations

from collections.abc import Callable

from utp.config.train import TrainConfig


class SaveSchedule:
    """Counts steps and time since the last save.

    Args:
        config: `checkpoint_every_steps` and `checkpoint_every_minutes`.
        clock: seconds that never jump, as `time.monotonic` gives them: a corrected wall clock must cost no checkpoint.
    """

    def __init__(self, config: TrainConfig, clock: Callable[[], float]) -> None:
        minutes = config.checkpoint_every_minutes
        self._every_steps = config.checkpoint_every_steps
        self._every_s = None if minutes is None else 60 * minutes
        self._clock = clock
        self._saved_at_s = clock()

    def is_due(self, step: int) -> bool:
        """Whether to save after `step` optimizer steps."""
        if self._every_steps is not None and step % self._every_steps == 0:
            return True
        return self._every_s is not None and self._clock() - self._saved_at_s >= self._every_s

    def note_save(self) -> None:
        """Count the time anew: a save has begun, for whatever reason."""
        self._saved_at_s = self._clock()
