"""The queue as people see it: who waits, in which order, and what is under way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Subquery, func, select

from utp.store.database import Database
from utp.store.states import LIVE, RunState
from utp.store.tables.job import Job
from utp.store.tables.project import Project
from utp.store.tables.run import Run


@dataclass(frozen=True, kw_only=True)
class WaitingRun:
    """One run that waits; times are seconds since 1970, UTC."""

    position: int
    """From 1; what others wait for counts too."""
    run_id: str
    name: str
    project_id: str
    project_name: str
    owner: str
    priority: int
    request: Mapping[str, Any]
    queued_at: float | None
    wait_reason: str
    starts_in_s: float | None


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """One run with an attempt under way."""

    run_id: str
    name: str
    project_id: str
    project_name: str
    owner: str
    state: RunState
    priority: int
    started_at: float | None
    """Of the attempt."""
    step: int
    total_steps: int | None
    placement: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class QueuePage:
    """The queue at one moment."""

    waiting: Sequence[WaitingRun]
    num_waiting: int
    active: Sequence[LiveRun]


class QueuePageRepository:
    """Queries over the queue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, *, limit: int, after: int = 0, project_ids: Collection[str] | None = None) -> QueuePage:
        """Return a part of the line, in the order in which runs are likely to start, and all active runs.

        Args:
            limit: of the runs that wait.
            after: place behind which it begins.
            project_ids: only of these projects; None means of all.
        """
        with self._database.read() as connection:
            line = _line(self._database.now(connection))
            seen = [] if project_ids is None else [line.c.project_id.in_(project_ids)]
            part = select(line).where(line.c.position > after, *seen).order_by(line.c.position).limit(limit)
            waiting = [WaitingRun(**row) for row in connection.execute(part).mappings()]
            num_waiting = connection.execute(select(func.count()).select_from(line).where(*seen)).scalar_one()
            live = _LIVE if project_ids is None else _LIVE.where(Run.project_id.in_(project_ids))
            active = [LiveRun(**row) for row in connection.execute(live).mappings()]
            return QueuePage(waiting=waiting, num_waiting=num_waiting, active=active)


_SHARED = (
    Run.id.label("run_id"),
    Run.name,
    Run.project_id,
    Project.name.label("project_name"),
    Run.owner,
    Run.priority,
)

_LIVE = (
    select(*_SHARED, Run.state, Job.started_at, Job.step, Run.total_steps, Job.placement)
    .join(Job, (Job.run_id == Run.id) & (Job.attempt == Run.attempt))
    .join(Project, Project.id == Run.project_id)
    .where(Run.state.in_(LIVE))
    .order_by(Run.id)
)


def _line(now: float) -> Subquery:
    """All runs that wait, numbered: those that the dispatcher has numbered first."""
    order = (func.coalesce(Run.position, 2**31 - 1), Run.priority.desc(), Run.queued_seq)
    number = func.row_number().over(order_by=order).label("position")
    said = (Run.request, Run.queued_at, Run.wait_reason, (Run.starts_at - now).label("starts_in_s"))
    query = select(number, *_SHARED, *said).join(Project, Project.id == Run.project_id)
    return query.where(Run.state == RunState.QUEUED, Run.deleted_at.is_(None)).subquery()
