"""Live runs that nobody hears of: told by whoever reads, since where the head is away nobody is there to write it."""

from __future__ import annotations

from sqlalchemy import Connection, Float, bindparam, select

from utp.store.policy import LEASE_S
from utp.store.states import LIVE
from utp.store.tables.job import Job
from utp.store.tables.run import Run

_NOW = bindparam("now", type_=Float)
_SILENT = (  # built once: every list of runs asks
    select(Run.id, (_NOW - Job.lease_until + LEASE_S).label("silence_s"))
    .join(Job, (Job.run_id == Run.id) & (Job.attempt == Run.attempt))
    .where(Run.state.in_(LIVE), Job.lease_until < _NOW)
)


def find_silent(connection: Connection, now: float) -> dict[str, str]:
    """Return what is to be said of each live run whose lease has passed, by run id; ended runs cost nothing.

    Args:
        now: seconds since 1970 by the database's clock.
    """
    rows = connection.execute(_SILENT, {"now": now})
    return {run_id: f"nothing was heard of its worker for {silence_s:.0f} s" for run_id, silence_s in rows}
