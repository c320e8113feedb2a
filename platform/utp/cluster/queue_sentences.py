"""What the queue says of each run: its place, why it waits, and when it is likely to start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from utp.cluster.admission import Plan
from utp.store.recorder.waiting import Wait

MIN_CHANGE_S = 30.0
MIN_CHANGE = 0.2
"""An estimate that moves by less, in seconds and as a share of it, is not written anew."""


def find_news(plan: Plan, told: Mapping[str, tuple[str, float | None]], now: float) -> Iterator[tuple[str, Wait]]:
    """Yield what is to be said of runs that wait where it differs from what was told, the first in line first.

    Args:
        plan: of this tick.
        told: sentence and start of each run, by its id; the start in seconds on the clock of `now`.
        now: seconds.
    """
    in_line = set(plan.line)
    for position, run_id in enumerate(plan.line, 1):
        wait = _tell_place(plan, run_id, position)
        if _is_news(wait, *told[run_id], now):
            yield run_id, wait
    for run_id, reason in plan.reasons.items():
        if told[run_id] != (reason, None) and run_id not in in_line:
            yield run_id, Wait(reason)


def _tell_place(plan: Plan, run_id: str, position: int) -> Wait:
    starts_in_s = plan.starts_in_s.get(run_id)
    likely = f"; likely to start in {_roughly(starts_in_s)}" if starts_in_s is not None else ""
    return Wait(f"place {position} in line: {plan.reasons[run_id]}{likely}", position, starts_in_s)


def _is_news(wait: Wait, told_reason: str, told_starts_at: float | None, now: float) -> bool:
    """Whether it differs in the sentence, or in the estimate by a good part of it."""
    if wait.reason != told_reason:
        return True
    if wait.starts_in_s is None or told_starts_at is None:
        return wait.starts_in_s is not told_starts_at
    return abs(now + wait.starts_in_s - told_starts_at) > max(MIN_CHANGE_S, MIN_CHANGE * wait.starts_in_s)


def _roughly(seconds: float) -> str:
    """Coarse, for an estimate promises no more, and so that it is not written anew every second."""
    if seconds < 120:
        return "a minute or two"
    minutes = seconds / 60
    if minutes < 60:
        return f"about {max(5, 5 * round(minutes / 5))} minutes"
    hours = minutes / 60
    return f"about {hours:.0f} hours" if hours >= 2 else "about an hour"
