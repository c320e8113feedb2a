"""Live runs that nobody hears of: told by whoever reads, since where the head is away nobody is there to write it."""

from __future__ import annotations

from sqlalchemy import Connection, select

from utp.store.database import Database
from utp.store.policy import LEASE_S
from utp.store.states import LIVE
from utp.store.tables.job import Job
from utp.store.tables.run import Run


def find_silent(database: Database, connection: Connection) -> dict[str, str]:
    """Return what is to be said of each live run whose lease has passed, by run id; ended runs cost nothing."""
    now = database.now(connection)
    query = select(Run.id, (now - Job.lease_until + LEASE_S).label("silence_s"))
    query = query.join(Job, (Job.run_id == Run.id) & (Job.attempt == Run.attempt))
    rows = connection.execute(query.where(Run.state.in_(LIVE), Job.lease_until < now))
    return {run_id: f"nothing was heard of its worker for {silence_s:.0f} s" for run_id, silence_s in rows}
