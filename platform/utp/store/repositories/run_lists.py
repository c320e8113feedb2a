"""Runs as the page lists them: filtered, sorted, page by page, with all that a row shows."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, func, or_, select

from utp.errors import FailureKind
from utp.store.database import Database
from utp.store.repositories.silence import find_silent
from utp.store.states import Health, RunState, Wish
from utp.store.tables.config import Config
from utp.store.tables.dataset_version import DatasetVersion
from utp.store.tables.experiment_group import ExperimentGroup
from utp.store.tables.job import Job
from utp.store.tables.run import Run

SORTS: Mapping[str, Any] = {
    "created_at": Run.created_at,
    "queued_at": Run.queued_at,
    "started_at": Run.started_at,
    "ended_at": Run.ended_at,
    "name": Run.name,
    "owner": Run.owner,
    "state": Run.state,
    "priority": Run.priority,
    "best_value": Run.best_value,
    "run_time_s": Run.run_time_s,
    "step": Run.step,
    "epoch": Run.epoch,
}
"""What a list may be sorted by."""


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Which runs a list shows; None does not restrict."""

    project_ids: Collection[str] | None = None
    """Those that who asks may see."""
    project_id: str | None = None
    group_id: str | None = None
    states: Sequence[RunState] | None = None
    owner: str | None = None
    tag: str | None = None
    search: str | None = None
    with_archived: bool = False
    ids: Sequence[str] | None = None


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """One run; times are seconds since 1970, UTC."""

    id: str
    project_id: str
    group_id: str | None
    group_name: str | None
    config_id: str
    """Of its content."""
    saved_config_id: str | None
    parent_run_id: str | None
    name: str
    owner: str
    state: RunState
    wish: Wish
    health: Health
    health_detail: str
    failure_kind: FailureKind | None
    message: str | None
    attempt: int
    priority: int
    tags: Sequence[str]
    notes: str
    step: int
    total_steps: int | None
    epoch: int
    epochs: int | None
    best_metric: str | None
    best_value: float | None
    best_epoch: int | None
    metrics: Mapping[str, Any] | None
    run_time_s: float
    """Of the ended attempts."""
    created_at: float
    queued_at: float | None
    started_at: float | None
    ended_at: float | None
    archived_at: float | None
    wait_reason: str
    position: int | None
    starts_at: float | None
    attempt_started_at: float | None
    """Of the newest attempt, none once it has ended."""
    start_step: int | None
    """Step that the newest attempt began at."""


@dataclass(frozen=True, kw_only=True)
class RunList:
    """One page of runs, and the time it was read at."""

    runs: Sequence[ListedRun]
    total: int
    now: float


class RunLists:
    """Queries over runs for the page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(
        self,
        wanted: RunFilter,
        *,
        sort: str = "created_at",
        descends: bool = True,
        after: Sequence[Any] | None = None,
        limit: int = 100,
    ) -> RunList:
        """Return up to `limit` runs behind `after`, the sort value and id of the last one before; none sorts last."""
        conditions = _conditions(wanted)
        column = SORTS[sort]
        query = _runs().where(*conditions)
        if after is not None:
            query = query.where(_behind(column, after[0], after[1], descends=descends))
        order = (column.desc(), Run.id.desc()) if descends else (column.asc(), Run.id.asc())
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(column.is_(None), *order).limit(limit)).mappings().all()
            total = connection.execute(select(func.count()).select_from(Run).where(*conditions)).scalar_one()
            silent = find_silent(self._database, connection)
            now = self._database.now(connection)
        runs = [ListedRun(**row) for row in rows]
        for number, run in enumerate(runs):
            if run.id in silent:
                runs[number] = replace(run, health=Health.SILENT, health_detail=silent[run.id])
        return RunList(runs=runs, total=total, now=now)

    def by_ids(self, ids: Sequence[str]) -> RunList:
        """Return the runs with these ids that there are, in this order."""
        found = self.read(RunFilter(ids=ids, with_archived=True), limit=len(ids))
        runs = sorted(found.runs, key=lambda run: ids.index(run.id))
        return RunList(runs=runs, total=len(runs), now=found.now)

    def dataset_of(self, run_id: str) -> tuple[str, str | None, str | None] | None:
        """Return dataset, version and fingerprint of the data that a run trains on; None where it names none."""
        query = select(Run.dataset_id, Run.dataset_version_id, DatasetVersion.fingerprint)
        query = query.outerjoin(DatasetVersion, DatasetVersion.id == Run.dataset_version_id)
        with self._database.read() as connection:
            row = connection.execute(query.where(Run.id == run_id, Run.dataset_id.is_not(None))).first()
        return None if row is None else (str(row.dataset_id), row.dataset_version_id, row.fingerprint)

    def configs(self, config_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return contents of configs by their ids."""
        with self._database.read() as connection:
            query = select(Config.id, Config.content).where(Config.id.in_(config_ids))
            return {row.id: json.loads(row.content) for row in connection.execute(query)}


def _runs() -> Select[*tuple[Any, ...]]:
    since = case((Job.ended_at.is_(None), Job.started_at), else_=None)
    joined = {
        "group_name": ExperimentGroup.name.label("group_name"),
        "attempt_started_at": since.label("attempt_started_at"),
        "start_step": Job.start_step.label("start_step"),
    }
    names = ListedRun.__dataclass_fields__
    query = select(*(joined[name] if name in joined else getattr(Run, name) for name in names))
    query = query.outerjoin(ExperimentGroup, ExperimentGroup.id == Run.group_id)
    return query.outerjoin(Job, and_(Job.run_id == Run.id, Job.attempt == Run.attempt))


def _conditions(wanted: RunFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Run.deleted_at.is_(None)]
    if wanted.project_ids is not None:
        conditions.append(Run.project_id.in_(wanted.project_ids))
    equal = ((Run.project_id, wanted.project_id), (Run.group_id, wanted.group_id), (Run.owner, wanted.owner))
    conditions += [column == value for column, value in equal if value is not None]
    if wanted.states is not None:
        conditions.append(Run.state.in_(wanted.states))
    if wanted.ids is not None:
        conditions.append(Run.id.in_(wanted.ids))
    if not wanted.with_archived:
        conditions.append(Run.archived_at.is_(None))
    if wanted.tag is not None:
        conditions.append(cast(Run.tags, Text).contains(json.dumps(wanted.tag), autoescape=True))
    if wanted.search:
        texts = (Run.name, Run.owner, Run.notes, cast(Run.tags, Text))
        matches = [text.icontains(wanted.search, autoescape=True) for text in texts]
        conditions.append(or_(*matches, Run.id.startswith(wanted.search, autoescape=True)))
    return conditions


def _behind(column: Any, value: Any, run_id: str, *, descends: bool) -> ColumnElement[bool]:
    """Rows that come after this one, where none sorts last and ids settle ties."""
    by_id = Run.id < run_id if descends else Run.id > run_id
    if value is None:
        return and_(column.is_(None), by_id)
    further = column < value if descends else column > value
    return or_(further, and_(column == value, by_id), column.is_(None))
