"""What the queue says of each run: its place, why it waits, and when it is likely to start."""

from __future__ import annotations

from collections.abc import Mapping

from utp.cluster.admission import Plan

MAX_NUMBERED = 50
"""Runs in line that are told their number. The rest would be written anew each time one ahead of them starts."""


def tell_waits(plan: Plan) -> Mapping[str, str]:
    """Return one sentence for each run that waits, by run id."""
    sentences = dict(plan.reasons)
    for position, run_id in enumerate(plan.line[:MAX_NUMBERED], 1):
        starts_in_s = plan.starts_in_s.get(run_id)
        likely = f"; likely to start in {_roughly(starts_in_s)}" if starts_in_s is not None else ""
        sentences[run_id] = f"place {position} in line: {plan.reasons[run_id]}{likely}"
    return sentences


def _roughly(seconds: float) -> str:
    """Coarse, for an estimate promises no more, and so that it is not written anew every second."""
    if seconds < 120:
        return "a minute or two"
    minutes = seconds / 60
    if minutes < 60:
        return f"about {max(5, 5 * round(minutes / 5))} minutes"
    hours = minutes / 60
    return f"about {hours:.0f} hours" if hours >= 2 else "about an hour"
