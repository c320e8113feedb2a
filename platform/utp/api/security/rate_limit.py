"""How often somebody may ask, and how often a stranger may guess; counted in this process."""

from __future__ import annotations

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

FAILURES = parse("20/minute")
"""Wrong tokens and codes of one address; right ones are always taken, so that no stranger locks anybody out."""


FLOODS = parse("1/minute")
"""Notes of one address that tries more often."""


class RateLimits:
    """Counters of one process.

    Args:
        per_user: as `6000/minute`.
    """

    def __init__(self, per_user: str) -> None:
        self._per_user = parse(per_user)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def hit_user(self, user_id: str) -> int | None:
        """Count a request; return the seconds to wait where it is one too many."""
        return self._hit(self._per_user, "user", user_id)

    def hit_failure(self, address: str) -> int | None:
        """Count a failed sign-in; return the seconds to wait where it is one too many."""
        return self._hit(FAILURES, "failure", address)

    def is_new_flood(self, address: str) -> bool:
        """Whether it was not said within the last minute that an address tries too often."""
        return self._hit(FLOODS, "flood", address) is None

    def _hit(self, item: RateLimitItem, *names: str) -> int | None:
        if self._limiter.hit(item, *names):
            return None
        return max(1, item.get_expiry())
