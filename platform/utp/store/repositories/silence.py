"""Live runs that nobody hears of: told by whoever reads, since where the head is away nobody is there to write it."""

from __future__ import annotations

from sqlalchemy import case, func, select

from utp.store.policy import LEASE_S
from utp.store.states import LIVE, RunState
from utp.store.tables.agent import Agent
from utp.store.tables.job import Job

# A worker may be silent for minutes while it starts: whether there is anybody to start it shows sooner. The head writes
# when it saw a machine every two seconds, whatever the runs do.
_HEARD_UNTIL = select(func.max(Agent.seen_at) + LEASE_S).scalar_subquery()
SILENCE_COLUMNS = (Job.lease_until, case((Job.started_at.is_(None), _HEARD_UNTIL), else_=None).label("heard_until"))
"""What a query of runs, each joined to its newest attempt, has to ask for so that `silence_of` can tell."""


def silence_of(state: RunState, lease_until: float | None, heard_until: float | None, now: float) -> str | None:
    """Return what is to be said of a run whose lease has passed, or which waits for a start that is not coming.

    Args:
        state: of the run; only a live one can be silent.
        lease_until: the first of `SILENCE_COLUMNS`.
        heard_until: the second.
        now: seconds since 1970 by the database's clock, as the two.
    """
    if state not in LIVE:
        return None
    if lease_until is not None and lease_until < now:
        return f"nothing was heard of its worker for {now - lease_until + LEASE_S:.0f} s"
    if heard_until is not None and heard_until < now:
        return f"nothing was heard of the cluster for {now - heard_until + LEASE_S:.0f} s: `utp status`"
    return None
