"""Where runs stand, by their ids: what changes while one is watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from utp.errors import FailureKind
from utp.store.database import Database
from utp.store.states import Health, RunState, Wish
from utp.store.tables.run import Run


@dataclass(frozen=True, kw_only=True)
class RunStateRow:
    """One run; times are seconds since 1970, UTC."""

    id: str
    project_id: str
    name: str
    state: RunState
    wish: Wish
    health: Health
    health_detail: str
    failure_kind: FailureKind | None
    message: str | None
    attempt: int
    priority: int
    wait_reason: str
    step: int
    total_steps: int | None
    epoch: int
    epochs: int | None
    best_metric: str | None
    best_value: float | None
    best_epoch: int | None
    run_time_s: float
    queued_at: float | None
    started_at: float | None
    ended_at: float | None
    archived_at: float | None


class RunStates:
    """Queries of runs by id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, run_ids: Sequence[str]) -> list[RunStateRow]:
        """Return where these runs stand; deleted and unknown ones are missing."""
        columns = [getattr(Run, name) for name in RunStateRow.__dataclass_fields__]
        query = select(*columns).where(Run.id.in_(run_ids), Run.deleted_at.is_(None))
        with self._database.read() as connection:
            return [RunStateRow(**row._mapping) for row in connection.execute(query)]
