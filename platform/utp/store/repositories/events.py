"""Events of runs, in the one order that a reader follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from utp.store.database import Database
from utp.store.states import RunState
from utp.store.tables.run_event import RunEvent


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """One event; `at` is in seconds since 1970, UTC."""

    seq: int
    run_id: str
    attempt: int
    kind: str
    old_state: RunState | None
    new_state: RunState | None
    reason: str
    data: Mapping[str, Any] | None
    at: float


class EventRepository:
    """Queries over events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(
        self, seq: int, *, run_id: str | None = None, kind: str | None = None, limit: int = 1000
    ) -> list[EventRow]:
        """Return the events behind number `seq`, of one run or of all, of one kind or of all.

        None that commits later is behind the last.
        """
        columns = [getattr(RunEvent, name) for name in EventRow.__dataclass_fields__]
        query = select(*columns).where(RunEvent.seq > seq)
        if run_id is not None:
            query = query.where(RunEvent.run_id == run_id)
        if kind is not None:
            query = query.where(RunEvent.kind == kind)
        with self._database.read() as connection:
            return [EventRow(**row._mapping) for row in connection.execute(query.order_by(RunEvent.seq).limit(limit))]

    def newest(self) -> int:
        """Return the number of the newest event; 0 before the first."""
        with self._database.read() as connection:
            return connection.execute(select(func.coalesce(func.max(RunEvent.seq), 0))).scalar_one()
