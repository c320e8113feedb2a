"""Live runs that nobody hears of: told by whoever reads, since where the head is away nobody is there to write it."""

from __future__ import annotations

from sqlalchemy import Connection, Float, bindparam, select

from utp.store.policy import LEASE_S
from utp.store.prepared import Prepared
from utp.store.states import LIVE, RunState
from utp.store.tables.job import Job
from utp.store.tables.run import Run

_NOW = bindparam("now", type_=Float)
_SILENT = Prepared(
    select(Run.id, (_NOW - Job.lease_until + LEASE_S).label("silence_s"))
    .join(Job, (Job.run_id == Run.id) & (Job.attempt == Run.attempt))
    .where(Run.state.in_(LIVE), Job.lease_until < _NOW)
)


def find_silent(connection: Connection, now: float) -> dict[str, str]:
    """Return what is to be said of each live run whose lease has passed, by run id; ended runs cost nothing.

    Args:
        now: seconds since 1970 by the database's clock.
    """
    return {run_id: _describe(silence_s) for run_id, silence_s in _SILENT.rows(connection, {"now": now})}


def silence_of(state: RunState, lease_until: float | None, now: float) -> str | None:
    """Return what is to be said of one run; None unless it is live and its lease has passed."""
    if state not in LIVE or lease_until is None or lease_until >= now:
        return None
    return _describe(now - lease_until + LEASE_S)


def _describe(silence_s: float) -> str:
    return f"nothing was heard of its worker for {silence_s:.0f} s"
