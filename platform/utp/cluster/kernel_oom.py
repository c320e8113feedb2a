"""Whether the kernel killed processes for want of memory: a victim itself can't say so."""

from __future__ import annotations

from pathlib import Path

_COUNTERS = Path("/proc/vmstat")


def count_oom_kills() -> int:
    """Return how many processes of this machine the kernel has killed so, containers' too; 0 where it does not say."""
    try:
        lines = _COUNTERS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
