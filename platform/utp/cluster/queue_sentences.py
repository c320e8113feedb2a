"""What the queue says of each run: its place, why it waits, and when it is likely to start."""

from __future__ import annotations

from collections.abc import Mapping

from utp.cluster.admission import Plan
from utp.store.recorder.waiting import Wait

MAX_NUMBERED = 50
"""Runs in line that are told their number. The rest would be written anew each time one ahead of them starts."""

MIN_CHANGE_S = 30.0
MIN_CHANGE = 0.2
"""An estimate that moves by less, in seconds and as a share of it, is not written anew."""


def tell_waits(plan: Plan) -> Mapping[str, Wait]:
    """Return what is said of each run that waits, by run id."""
    waits = {run_id: Wait(reason) for run_id, reason in plan.reasons.items()}
    for position, run_id in enumerate(plan.line[:MAX_NUMBERED], 1):
        starts_in_s = plan.starts_in_s.get(run_id)
        likely = f"; likely to start in {_roughly(starts_in_s)}" if starts_in_s is not None else ""
        waits[run_id] = Wait(f"place {position} in line: {plan.reasons[run_id]}{likely}", position, starts_in_s)
    return waits


def is_news(wait: Wait, said_reason: str, said_starts_in_s: float | None) -> bool:
    """Whether it differs from what was said: in the sentence, or in the estimate by a good part of it."""
    if wait.reason != said_reason:
        return True
    if wait.starts_in_s is None or said_starts_in_s is None:
        return wait.starts_in_s is not said_starts_in_s
    return abs(wait.starts_in_s - said_starts_in_s) > max(MIN_CHANGE_S, MIN_CHANGE * wait.starts_in_s)


def _roughly(seconds: float) -> str:
    """Coarse, for an estimate promises no more, and so that it is not written anew every second."""
    if seconds < 120:
        return "a minute or two"
    minutes = seconds / 60
    if minutes < 60:
        return f"about {max(5, 5 * round(minutes / 5))} minutes"
    hours = minutes / 60
    return f"about {hours:.0f} hours" if hours >= 2 else "about an hour"
