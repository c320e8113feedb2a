"""How often somebody may ask, and how often a stranger may guess; counted in this process."""

from __future__ import annotations

import time
from collections.abc import Callable

from limits import RateLimitItem, parse

FAILURES = parse("20/minute")
"""Wrong tokens and codes of one address; right ones are always taken, so that no stranger locks anybody out."""
FLOODS = parse("1/minute")
"""Notes of one address that tries more often."""
MAX_KNOWN = 10_000
"""Users and addresses whose hits are remembered; with more all begin anew."""

Window = tuple[int, int, int]
"""Number of the window, hits in it, and in the one before."""


class RateLimits:
    """Counters of one process: sliding windows, of which the one before counts by the share that still matters.

    `limits` has a storage of its own, which starts a thread at nearly every hit: a third of a request's time.

    Args:
        per_user: as `6000/minute`.
        clock: seconds that only go forward.
    """

    def __init__(self, per_user: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_user = parse(per_user)
        self._clock = clock
        self._windows: dict[tuple[str, str], Window] = {}

    def hit_user(self, user_id: str) -> int | None:
        """Count a request; return the seconds to wait where it is one too many."""
        return self._hit(self._per_user, "user", user_id)

    def hit_failure(self, address: str) -> int | None:
        """Count a failed sign-in; return the seconds to wait where it is one too many."""
        return self._hit(FAILURES, "failure", address)

    def is_new_flood(self, address: str) -> bool:
        """Whether it was not said within the last minute that an address tries too often."""
        return self._hit(FLOODS, "flood", address) is None

    def _hit(self, item: RateLimitItem, kind: str, name: str) -> int | None:
        length_s = item.get_expiry()
        number, within_s = divmod(self._clock(), length_s)
        last, hits, before = self._windows.get((kind, name), (number, 0, 0))
        if last != number:
            hits, before = 0, hits if last == number - 1 else 0
        if before * (1 - within_s / length_s) + hits >= item.amount:
            return max(1, length_s)
        if len(self._windows) >= MAX_KNOWN:
            self._windows.clear()
        self._windows[kind, name] = (int(number), hits + 1, before)
        return None
