"""What the dispatcher reads at every step: who waits, and what is under way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, Text, case, cast, func, select

from utp.store.database import Database
from utp.store.states import LIVE, Health, RunState, Wish
from utp.store.tables.config import Config
from utp.store.tables.job import Job
from utp.store.tables.project import Project
from utp.store.tables.run import Run
from utp.store.tables.run_event import RunEvent

MAX_CHANGED = 1000
"""Events behind which the queue is read anew as a whole."""


@dataclass(frozen=True)  # filled by position: there may be 10,000 at every step
class QueuedRow:
    """A run that waits."""

    run_id: str
    name: str
    owner: str
    project_id: str
    priority: int
    queued_seq: int
    """Age: smaller is older."""
    queued_at: float
    """Seconds since 1970, UTC."""
    not_before_s: float
    """Seconds of back-off that are left; 0 or less: it may start."""
    wait_reason: str
    attempt: int
    """Attempts so far."""
    request: Mapping[str, Any]
    """`RunRequest` as JSON."""


class WaitingRow(NamedTuple):
    """What admission needs of a run that waits: there may be 10,000 of them, so nothing is unpacked."""

    run_id: str
    name: str
    owner: str
    project_id: str
    priority: int
    queued_seq: int
    queued_at: float
    request_json: str
    """`RunRequest` as text; most are equal."""
    not_before: float
    """When its back-off is over, by the database's clock; 0 without one."""
    wait_reason: str
    starts_at: float | None
    """What was last said of its start."""


@dataclass(frozen=True, kw_only=True)
class QueueChanges:
    """What became of the waiting runs behind an event."""

    rows: list[WaitingRow]
    """Those that are new or may have changed; all, highest priority first, then the oldest, if it is whole."""
    left: frozenset[str]
    """Ids of those among which some don't wait any more."""
    is_whole: bool
    last_event: int
    """Number of the newest event, whose change is contained."""
    now: float
    """Seconds since 1970 by the database's clock."""


@dataclass(frozen=True, kw_only=True)
class ActiveRow:
    """A run with an attempt under way."""

    run_id: str
    name: str
    owner: str
    project_id: str
    priority: int
    attempt: int
    state: RunState
    wish: Wish
    health: Health
    submission_id: str
    request: Mapping[str, Any]
    placement: Mapping[str, Any] | None
    run_dir: str
    checkpoint_dir: str
    lease_until_passed: bool
    """No word from its worker for too long; never true before Ray has the job."""
    last_progress_age_s: float | None
    """Seconds since its step or phase changed; none before the first plan."""
    run_time_s: float
    """Seconds trained, all attempts together."""
    submitting_s: float
    """Seconds since the attempt was opened."""
    step: int
    total_steps: int | None
    epoch: int
    phase: str


class QueueRepository:
    """Queries over waiting and live runs; ended ones cost nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def queued(self, limit: int = 10_000) -> list[QueuedRow]:
        """Return the runs that wait, highest priority first, then the oldest."""
        with self._database.read() as connection:
            now = self._database.now(connection)
            columns = (Run.name, Run.owner, Run.project_id, Run.priority, Run.queued_seq, Run.queued_at)
            request = cast(Run.request, Text)
            left = func.coalesce(Run.not_before - now, 0.0).label("not_before_s")
            query = select(Run.id, *columns, left, Run.wait_reason, Run.attempt, request)
            query = query.where(Run.state == RunState.QUEUED, Run.deleted_at.is_(None)).order_by(
                Run.priority.desc(), Run.queued_seq
            )
            rows: list[Any] = list(connection.execute(query.limit(limit)))
            return [QueuedRow(*[*rest, _parse(text)]) for *rest, text in rows]

    def changes(self, after: int | None) -> QueueChanges:
        """Return what became of the waiting runs behind event number `after`; all of them where it is None.

        Whatever changes a run that waits, or has it wait, appends an event of the run in the same transaction; but for
        why it waits, which the dispatcher alone writes.
        """
        with self._database.read() as connection:
            now = self._database.now(connection)
            newest = connection.execute(select(func.coalesce(func.max(RunEvent.seq), 0))).scalar_one()
            changed = None if after is None else _changed_runs(connection, after)
            if changed is None:
                rows = connection.execute(_WAITING.order_by(Run.priority.desc(), Run.queued_seq)).all()
            else:
                rows = connection.execute(_WAITING.where(Run.id.in_(changed))).all() if changed else []
            return QueueChanges(
                rows=list(map(WaitingRow._make, rows)),  # row by row takes three times as long
                left=frozenset(changed or ()), is_whole=changed is None, last_event=newest, now=now,
            )  # fmt: skip

    def num_waiting(self) -> int:
        """Return how many runs wait."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(_WAITING.subquery())).scalar_one()

    def active(self) -> list[ActiveRow]:
        """Return the runs with an attempt under way, the oldest first."""
        with self._database.read() as connection:
            now = self._database.now(connection)
            since_start = case((Job.started_at.is_(None), 0.0), else_=now - Job.started_at)
            query = select(
                Run.id.label("run_id"),
                *(Run.name, Run.owner, Run.project_id, Run.priority, Run.attempt, Run.state, Run.wish, Run.health),
                *(Run.request, Run.run_dir, Run.checkpoint_dir, Run.total_steps),
                *(Job.submission_id, Job.placement, Job.step, Job.epoch, Job.phase),
                func.coalesce(Job.lease_until < now, False).label("lease_until_passed"),
                (now - Job.progress_at).label("last_progress_age_s"),
                (Run.run_time_s + since_start).label("run_time_s"),
                (now - Job.created_at).label("submitting_s"),
            )
            query = query.join(Job, (Job.run_id == Run.id) & (Job.attempt == Run.attempt))
            query = query.where(Run.state.in_(LIVE)).order_by(Run.id)
            return [ActiveRow(**row) for row in connection.execute(query).mappings()]

    def max_gpus_of_projects(self) -> dict[str, int]:
        """Return the limits of the projects that have one, by their ids."""
        with self._database.read() as connection:
            query = select(Project.id, Project.max_gpus).where(Project.max_gpus.is_not(None))
            return {project_id: limit for project_id, limit in connection.execute(query) if limit is not None}

    def config_json(self, run_id: str) -> str:
        """Return the config of a run as the JSON that its job gets."""
        with self._database.read() as connection:
            query = select(Config.content).join(Run, Run.config_id == Config.id).where(Run.id == run_id)
            return connection.execute(query).scalar_one()


_WAITING = select(
    *(Run.id, Run.name, Run.owner, Run.project_id, Run.priority, Run.queued_seq, Run.queued_at),
    *(cast(Run.request, Text), func.coalesce(Run.not_before, 0.0), Run.wait_reason, Run.starts_at),
).where(Run.state == RunState.QUEUED, Run.deleted_at.is_(None))


def _changed_runs(connection: Connection, after: int) -> set[str] | None:
    """Return the ids of runs with an event behind this one; none where a whole reading costs less, or is needed."""
    others_too = case((RunEvent.kind == "changed", RunEvent.data), else_=None)  # a move has moved others as well
    query = select(RunEvent.run_id, others_too).where(RunEvent.seq > after).limit(MAX_CHANGED + 1)
    rows = connection.execute(query).all()
    if len(rows) > MAX_CHANGED or any(data and "before_run_id" in data for _, data in rows):
        return None
    return {run_id for run_id, _ in rows}


@lru_cache(maxsize=1024)
def _parse(text: str) -> Mapping[str, Any]:
    """Parse a request; most of a long queue ask for the same."""
    return MappingProxyType(json.loads(text))
