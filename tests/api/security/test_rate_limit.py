"""Counting of requests and of failed sign-ins."""

from __future__ import annotations

from utp.api.security.rate_limit import MAX_KNOWN, RateLimits


class Clock:
    def __init__(self) -> None:
        self.now = 600.0

    def __call__(self) -> float:
        return self.now


def test_one_request_too_many_is_told_how_long_to_wait_and_others_are_not() -> None:
    limits = RateLimits("3/minute", Clock())
    assert [limits.hit_user("ann") for _ in range(4)] == [None, None, None, 60]
    assert limits.hit_user("bob") is None
    assert limits.hit_failure("ann") is None


def test_hits_of_the_minute_before_count_by_what_is_left_of_it() -> None:
    clock = Clock()
    limits = RateLimits("4/minute", clock)
    for _ in range(4):
        assert limits.hit_user("ann") is None
    clock.now = 660.0
    assert limits.hit_user("ann") == 60
    clock.now = 690.0  # half of them count
    assert [limits.hit_user("ann") for _ in range(3)] == [None, None, 60]
    clock.now = 840.0
    assert [limits.hit_user("ann") for _ in range(5)] == [None, None, None, None, 60]


def test_hits_of_strangers_from_everywhere_take_no_memory() -> None:
    limits = RateLimits("4/minute", Clock())
    for number in range(2 * MAX_KNOWN):
        assert limits.hit_failure(str(number)) is None
    assert len(limits._windows) <= MAX_KNOWN
