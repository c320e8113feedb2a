"""Lists of runs, and everything about one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Row, Select, and_, bindparam, select

from utp.errors import FailureKind
from utp.store.database import Database
from utp.store.errors import RunAmbiguous, RunNotFound
from utp.store.prepared import Prepared
from utp.store.repositories.silence import SILENCE_COLUMNS, silence_of
from utp.store.states import LIVE, Health, Outcome, RunState, Wish
from utp.store.tables.checkpoint import Checkpoint
from utp.store.tables.config import Config
from utp.store.tables.experiment_group import ExperimentGroup
from utp.store.tables.figure import Figure
from utp.store.tables.job import Job
from utp.store.tables.project import Project
from utp.store.tables.run import Run

MIN_ID_BEGINNING = 4
"""Characters of an id that are taken as its beginning."""
MAX_CANDIDATES = 6
"""Runs named to who has to choose."""


@dataclass(slots=True)  # not frozen, and filled by position: made in a fifth of the time
class RunRow:
    """One run, as a list shows it; times are seconds since 1970, UTC."""

    id: str
    name: str
    project: str
    project_id: str
    group: str | None
    owner: str
    tags: Sequence[str]
    state: RunState
    attempt: int
    wish: Wish
    health: Health
    failure_kind: FailureKind | None
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
    """Of the ended attempts."""
    created_at: float
    queued_at: float | None
    started_at: float | None
    ended_at: float | None
    archived_at: float | None


@dataclass(frozen=True)
class AttemptRow:
    """One attempt."""

    attempt: int
    submission_id: str
    placement: Mapping[str, Any] | None
    host: str | None
    pid: int | None
    step: int
    epoch: int
    phase: str
    start_step: int | None
    created_at: float
    submitted_at: float | None
    started_at: float | None
    ended_at: float | None
    outcome: Outcome | None
    failure_kind: FailureKind | None
    message: str | None
    rank: int | None


@dataclass(frozen=True, kw_only=True)
class CheckpointRow:
    """One committed checkpoint."""

    name: str
    attempt: int
    step: int
    epoch: int
    size_bytes: int
    is_best: bool
    metric: str | None
    value: float | None
    created_at: float


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """One figure."""

    name: str
    attempt: int
    path: str
    """Relative to the run's directory."""
    step: int
    created_at: float


@dataclass(slots=True, kw_only=True)
class RunDetail(RunRow):
    """Everything about a run but its points and its events."""

    run_dir: str
    checkpoint_dir: str
    config: Mapping[str, Any]
    """`TrainConfig` as JSON."""
    request: Mapping[str, Any]
    """`RunRequest` as JSON."""
    message: str | None
    health_detail: str
    wished_by: str
    metrics: Mapping[str, Any] | None
    """Final metrics."""
    attempts: Sequence[AttemptRow]
    checkpoints: Sequence[CheckpointRow]
    figures: Sequence[FigureRow]


class RunRepository:
    """Queries over runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_runs(
        self,
        *,
        project: str | None = None,
        group: str | None = None,
        owner: str | None = None,
        states: Sequence[RunState] | None = None,
        with_archived: bool = False,
        before_id: str | None = None,
        limit: int = 50,
    ) -> list[RunRow]:
        """Return runs, the newest first; `before_id` is the last one of the page before."""
        wanted = {"project": project, "group": group, "owner": owner, "states": states, "before_id": before_id}
        given = {name: value for name, value in wanted.items() if value is not None}
        query = _list_query(frozenset(given), with_archived=with_archived)
        runs = [RunRow(*row) for row in self._database.rows(query, {**given, "max_rows": limit})]
        if live := {run.id: run for run in runs if run.state in LIVE}:
            with self._database.read() as connection:
                now = self._database.now(connection)
                leases = _LEASES.rows(connection, {"run_ids": list(live)})
            for run_id, state, lease_until, heard_until in leases:
                if silence_of(state, lease_until, heard_until, now) is not None:
                    live[run_id].health = Health.SILENT
        return runs

    def find(self, text: str) -> str:
        """Return the id of the run that an id, a name or a directory means, or the beginning of an id or name.

        Of several runs of one name it is the newest.

        Raises:
            RunNotFound: none is meant.
            RunAmbiguous: several runs begin so.
        """
        exact = select(Run.id).where((Run.id == text) | (Run.run_dir == text.rstrip("/")))
        named = select(Run.id).where(Run.name == text).order_by(Run.id.desc()).limit(1)
        starts = Run.name.startswith(text, autoescape=True)
        if len(text) >= MIN_ID_BEGINNING:
            starts |= Run.id.startswith(text, autoescape=True)
        begins = select(Run.id, Run.name).where(starts, Run.deleted_at.is_(None)).order_by(Run.id.desc())
        with self._database.read() as connection:
            for query in (exact, named):
                if (found := connection.scalar(query)) is not None:
                    return found
            rows = connection.execute(begins.limit(MAX_CANDIDATES)).all() if text else []
        if len(rows) > 1:
            raise RunAmbiguous(text, tuple(f"{row.name} ({row.id})" for row in rows))
        if not rows:
            raise RunNotFound(text)
        return str(rows[0].id)

    def get(self, run_id: str) -> RunDetail:
        """Return one run. Raises `RunNotFound`."""
        of_run = {"run_id": run_id}
        with self._database.read() as connection:
            row = connection.execute(_DETAIL, of_run).first()
            if row is None:
                raise RunNotFound(run_id)
            values = dict(row._mapping)
            config = json.loads(values.pop("content"))
            lease = (values.pop("lease_until"), values.pop("heard_until"))
            if (silence := silence_of(values["state"], *lease, self._database.now(connection))) is not None:
                values |= {"health": Health.SILENT, "health_detail": silence}
            attempts = connection.execute(_ATTEMPTS, of_run)
            checkpoints = connection.execute(_CHECKPOINTS, of_run)
            figures = connection.execute(_FIGURES, of_run)
            return RunDetail(
                **values,
                config=config,
                attempts=[AttemptRow(**_values(one)) for one in attempts],
                checkpoints=[CheckpointRow(**_values(one)) for one in checkpoints],
                figures=[FigureRow(**_values(one)) for one in figures],
            )


def _rows() -> Select[*tuple[Any, ...]]:
    """Query of the columns of `RunRow`."""
    joined = {"project": Project.name.label("project"), "group": ExperimentGroup.name.label("group")}
    columns = [joined[name] if name in joined else getattr(Run, name) for name in RunRow.__dataclass_fields__]
    query = select(*columns).join(Project, Project.id == Run.project_id)
    return query.outerjoin(ExperimentGroup, ExperimentGroup.id == Run.group_id)


_ROWS = _rows()
"""Built once: SQLAlchemy takes longer to build it than SQLite to answer it."""
_NEWEST_JOB = and_(Job.run_id == Run.id, Job.attempt == Run.attempt)
_LEASES = Prepared(
    select(Run.id, Run.state, *SILENCE_COLUMNS)
    .outerjoin(Job, _NEWEST_JOB)
    .where(Run.id.in_(bindparam("run_ids", expanding=True)))
)
"""Asked of live runs alone: of a list's runs most have ended."""


@lru_cache(maxsize=64)
def _list_query(given: frozenset[str], *, with_archived: bool) -> Prepared:
    """Return the query of a list with these conditions, the same object each time."""
    conditions = {
        "project": Project.name == bindparam("project"),
        "group": ExperimentGroup.name == bindparam("group"),
        "owner": Run.owner == bindparam("owner"),
        "states": Run.state.in_(bindparam("states", expanding=True)),
        "before_id": Run.id < bindparam("before_id"),
    }
    query = _ROWS.where(Run.deleted_at.is_(None), *(conditions[name] for name in sorted(given)))
    if not with_archived:
        query = query.where(Run.archived_at.is_(None))
    return Prepared(query.order_by(Run.id.desc()).limit(bindparam("max_rows", type_=Integer)))


def _of(table: Any, row: Any) -> Select[*tuple[Any, ...]]:
    columns = (getattr(table, name) for name in row.__dataclass_fields__)
    return select(*columns).where(table.run_id == bindparam("run_id"))


_DETAIL = (
    _ROWS.add_columns(Run.run_dir, Run.checkpoint_dir, Run.request, Run.message, Run.health_detail)
    .add_columns(Run.wished_by, Run.metrics, Config.content)
    .add_columns(*SILENCE_COLUMNS)
    .outerjoin(Job, _NEWEST_JOB)
    .join(Config, Config.id == Run.config_id)
    .where(Run.id == bindparam("run_id"))
)
_ATTEMPTS = _of(Job, AttemptRow).order_by(Job.attempt)
_CHECKPOINTS = _of(Checkpoint, CheckpointRow).order_by(Checkpoint.step)
_FIGURES = _of(Figure, FigureRow).order_by(Figure.name)


def _values(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    return dict(row._mapping)
