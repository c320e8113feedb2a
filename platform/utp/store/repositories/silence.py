"""Live runs that nobody hears of: told by whoever reads, since where the head is away nobody is there to write it."""

from __future__ import annotations

from sqlalchemy import Connection, Float, and_, bindparam, func, or_, select

from utp.store.policy import LEASE_S
from utp.store.states import LIVE
from utp.store.tables.agent import Agent
from utp.store.tables.job import Job
from utp.store.tables.run import Run

_NOW = bindparam("now", type_=Float)
_HEARD = select(func.max(Agent.seen_at)).scalar_subquery()
"""The head writes it every two seconds, whatever the runs do."""
_SILENT = (  # built once: every list of runs asks
    select(
        Run.id,
        (_NOW - Job.lease_until + LEASE_S).label("silence_s"),
        (_NOW - _HEARD).label("cluster_silence_s"),
        (Job.lease_until < _NOW).label("is_lease_over"),
    )
    .join(Job, (Job.run_id == Run.id) & (Job.attempt == Run.attempt))
    .where(
        Run.state.in_(LIVE),
        # A worker may be silent for minutes while it starts: whether there is anybody to start it shows sooner.
        or_(Job.lease_until < _NOW, and_(Job.started_at.is_(None), _HEARD < _NOW - LEASE_S)),
    )
)


def find_silent(connection: Connection, now: float) -> dict[str, str]:
    """Return what is to be said of each live run whose lease has passed, or which waits for a start that is not coming.

    By run id; ended runs cost nothing.

    Args:
        now: seconds since 1970 by the database's clock.
    """
    rows = connection.execute(_SILENT, {"now": now})
    return {
        run_id: f"nothing was heard of its worker for {silence_s:.0f} s"
        if is_lease_over
        else f"nothing was heard of the cluster for {cluster_silence_s:.0f} s: `utp status`"
        for run_id, silence_s, cluster_silence_s, is_lease_over in rows
    }
