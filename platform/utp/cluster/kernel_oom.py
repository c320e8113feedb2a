"""Whether the kernel killed processes for want of memory: a victim itself can't say so."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

_COUNTERS = Path("/proc/vmstat")


class OomWatch:
    """Sees when the kernel kills on this machine; somebody calls `look` every few seconds.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._num_kills = count_oom_kills()
        self._killed_at = float("-inf")

    def look(self) -> None:
        """Note whether it has killed since the last look."""
        if (num_kills := count_oom_kills()) > self._num_kills:
            self._num_kills, self._killed_at = num_kills, self._clock()

    def has_killed(self, within_s: float) -> bool:
        """Whether it has killed lately: what died just now was most likely its victim."""
        self.look()
        return self._clock() - self._killed_at <= within_s


def count_oom_kills() -> int:
    """Return how many processes of this machine the kernel has killed so, containers' too; 0 where it does not say."""
    try:
        lines = _COUNTERS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
