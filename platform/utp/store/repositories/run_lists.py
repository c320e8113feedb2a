"""Runs as the page lists them: filtered, sorted, page by page, with all that a row shows."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
)

from utp.errors import FailureKind
from utp.store.database import Database
from utp.store.errors import RunNotFound
from utp.store.prepared import Prepared
from utp.store.repositories.runs import AttemptRow
from utp.store.repositories.silence import SILENCE_COLUMNS, silence_of
from utp.store.states import Health, RunState, Wish
from utp.store.tables.config import Config
from utp.store.tables.dataset_version import DatasetVersion
from utp.store.tables.experiment_group import ExperimentGroup
from utp.store.tables.job import Job
from utp.store.tables.run import Run
from utp.store.tables.run_event import RunEvent

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

ESCAPE = "/"
MAX_TOTALS = 1000
"""Lists whose number of runs is remembered."""


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


@dataclass(slots=True)  # not frozen, and filled by position: made in a fifth of the time
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


@dataclass(frozen=True, kw_only=True)
class WholeRun:
    """One run with its attempts, and the time it was read at."""

    run: ListedRun
    now: float
    run_dir: str
    checkpoint_dir: str
    request: Mapping[str, Any]
    """`RunRequest` as JSON."""
    config: str
    """`TrainConfig` as JSON text."""
    dataset: tuple[str, str | None, str | None] | None
    """Dataset, version and fingerprint of the data that it trains on."""
    attempts: Sequence[AttemptRow]
    """The oldest first."""


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
        given = _given(wanted)
        names = frozenset(given)
        values = {**given, "max_rows": limit}
        behind = None
        if after is not None:
            behind = "none" if after[0] is None else "value"
            values |= {"after_value": after[0], "after_id": after[1]}
        query = _page_query(names, sort, descends=descends, behind=behind, with_archived=wanted.with_archived)
        with self._database.read() as connection:
            rows = query.rows(connection, values)
            total = self._count(connection, given, with_archived=wanted.with_archived)
            now = self._database.now(connection)
        return RunList(runs=[_listed(row, now) for row in rows], total=total, now=now)

    def by_ids(self, ids: Sequence[str]) -> RunList:
        """Return the runs with these ids that there are, in this order."""
        with self._database.read() as connection:
            rows = _BY_IDS.rows(connection, {"ids": ids})
            now = self._database.now(connection)
        place = {run_id: index for index, run_id in enumerate(ids)}
        runs = sorted((_listed(row, now) for row in rows), key=lambda run: place[run.id])
        return RunList(runs=runs, total=len(runs), now=now)

    def read_whole(self, run_id: str) -> WholeRun:
        """Return a run with its attempts. Raises `RunNotFound`, also where it is being deleted."""
        with self._database.read() as connection:
            rows = _WHOLE.rows(connection, {"ids": [run_id]})
            if not rows:
                raise RunNotFound(run_id)
            now = self._database.now(connection)
            attempts = _ATTEMPTS.rows(connection, {"run_id": run_id})
        *listed, run_dir, checkpoint_dir, request, config, dataset_id, version_id, fingerprint = rows[0]
        return WholeRun(
            run=_listed(listed, now),
            now=now,
            run_dir=run_dir,
            checkpoint_dir=checkpoint_dir,
            request=request,
            config=config,
            dataset=None if dataset_id is None else (dataset_id, version_id, fingerprint),
            attempts=[AttemptRow(*row) for row in attempts],
        )

    def _count(self, connection: Connection, given: Mapping[str, Any], *, with_archived: bool) -> int:
        """Count the runs of a list; anew only behind an event, for without one no run comes, goes or changes so."""
        if "group_id" in given:  # a group is removed without an event of its runs
            return _count_now(connection, given, with_archived=with_archived)
        ((newest,),) = _NEWEST_EVENT.rows(connection, {})
        key = (with_archived, *sorted((name, repr(value)) for name, value in given.items()))
        known = _TOTALS.setdefault(self._database, {})
        if known.get(key, (None, 0))[0] != newest:
            if len(known) >= MAX_TOTALS:
                known.clear()
            known[key] = (newest, _count_now(connection, given, with_archived=with_archived))
        return known[key][1]

    def configs(self, config_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return contents of configs by their ids."""
        with self._database.read() as connection:
            query = select(Config.id, Config.content).where(Config.id.in_(config_ids))
            return {row.id: json.loads(row.content) for row in connection.execute(query)}


_TOTALS: WeakKeyDictionary[Database, dict[tuple[Any, ...], tuple[int, int]]] = WeakKeyDictionary()
"""Newest event and number of runs, by what was asked for."""
_NEWEST_EVENT = Prepared(select(func.coalesce(func.max(RunEvent.seq), 0)))


def _runs() -> Select[*tuple[Any, ...]]:
    since = case((Job.ended_at.is_(None), Job.started_at), else_=None)
    joined = {
        "group_name": ExperimentGroup.name.label("group_name"),
        "attempt_started_at": since.label("attempt_started_at"),
        "start_step": Job.start_step.label("start_step"),
    }
    names = ListedRun.__dataclass_fields__
    query = select(*(joined[name] if name in joined else getattr(Run, name) for name in names), *SILENCE_COLUMNS)
    query = query.outerjoin(ExperimentGroup, ExperimentGroup.id == Run.group_id)
    return query.outerjoin(Job, and_(Job.run_id == Run.id, Job.attempt == Run.attempt))


def _listed(row: Sequence[Any], now: float) -> ListedRun:
    """Return the run of a row of `_runs`, silent where its worker is."""
    *values, lease_until, heard_until = row
    run = ListedRun(*values)
    if (silence := silence_of(run.state, lease_until, heard_until, now)) is not None:
        run.health, run.health_detail = Health.SILENT, silence
    return run


def _given(wanted: RunFilter) -> dict[str, Any]:
    """Return the values of the conditions that restrict the list, by their names in `_conditions`."""
    values: dict[str, Any] = {
        "project_ids": None if wanted.project_ids is None else sorted(wanted.project_ids),
        "project_id": wanted.project_id,
        "group_id": wanted.group_id,
        "owner": wanted.owner,
        "states": wanted.states,
        "ids": wanted.ids,
        "tag": None if wanted.tag is None else json.dumps(wanted.tag),
    }
    if wanted.search:
        text, escaped = _literal(wanted.search), _literal(json.dumps(wanted.search)[1:-1])
        values |= {"search": f"%{text}%", "tag_search": f"%{escaped}%", "beginning": f"{text}%"}
    return {name: value for name, value in values.items() if value is not None}


def _literal(text: str) -> str:
    """Return the text with LIKE's signs escaped."""
    for sign in (ESCAPE, "%", "_"):
        text = text.replace(sign, ESCAPE + sign)
    return text


def _conditions(given: frozenset[str], *, with_archived: bool) -> list[ColumnElement[bool]]:
    tags = cast(Run.tags, Text)  # JSON, which writes letters beyond ASCII as \uXXXX
    words = func.replace(func.trim(tags, "[]"), '", "', '"\n"')  # without the signs of the list itself
    texts = ((Run.name, "search"), (Run.owner, "search"), (Run.notes, "search"), (words, "tag_search"))
    found = [func.lower(text).like(func.lower(bindparam(name)), escape=ESCAPE) for text, name in texts]
    conditions = {
        "project_ids": Run.project_id.in_(bindparam("project_ids", expanding=True)),
        "project_id": Run.project_id == bindparam("project_id"),
        "group_id": Run.group_id == bindparam("group_id"),
        "owner": Run.owner == bindparam("owner"),
        "states": Run.state.in_(bindparam("states", expanding=True)),
        "ids": Run.id.in_(bindparam("ids", expanding=True)),
        "tag": func.replace(tags, bindparam("tag"), "") != tags,  # SQLite's LIKE takes "Best" for "best"
        "search": or_(*found, Run.id.like(bindparam("beginning"), escape=ESCAPE)),
    }
    chosen = [condition for name, condition in conditions.items() if name in given]
    return [Run.deleted_at.is_(None), *([] if with_archived else [Run.archived_at.is_(None)]), *chosen]


@lru_cache(maxsize=512)
def _page_query(
    given: frozenset[str], sort: str, *, descends: bool, behind: str | None, with_archived: bool
) -> Prepared:
    """Return the query of a list, the same object each time.

    Args:
        given: names of the conditions.
        sort: of `SORTS`.
        descends: largest first.
        behind: whether the page lies behind a row with a `value` or with `none`; None for the first page.
        with_archived: list archived runs too.
    """
    column = SORTS[sort]
    query = _runs().where(*_conditions(given, with_archived=with_archived))
    if behind is not None:
        query = query.where(_behind(column, has_value=behind == "value", descends=descends))
    order = (column.desc(), Run.id.desc()) if descends else (column.asc(), Run.id.asc())
    none_last = (column.is_(None),) if column.nullable else ()  # it would keep an index from being used
    return Prepared(query.order_by(*none_last, *order).limit(bindparam("max_rows", type_=Integer)))


@lru_cache(maxsize=512)
def _count_query(given: frozenset[str], *, with_archived: bool) -> Prepared:
    return Prepared(select(func.count()).select_from(Run).where(*_conditions(given, with_archived=with_archived)))


def _count_now(connection: Connection, given: Mapping[str, Any], *, with_archived: bool) -> int:
    ((total,),) = _count_query(frozenset(given), with_archived=with_archived).rows(connection, given)
    return int(total)


def _behind(column: Any, *, has_value: bool, descends: bool) -> ColumnElement[bool]:
    """Rows that come after a row, where none sorts last and ids settle ties."""
    value: BindParameter[Any] = bindparam("after_value", type_=column.type)
    run_id: BindParameter[str] = bindparam("after_id")
    by_id = Run.id < run_id if descends else Run.id > run_id
    if not has_value:
        return and_(column.is_(None), by_id)
    further = column < value if descends else column > value
    later = or_(further, and_(column == value, by_id))
    return or_(later, column.is_(None)) if column.nullable else later


_BY_IDS = Prepared(_runs().where(*_conditions(frozenset({"ids"}), with_archived=True)))
_WHOLE = Prepared(
    _runs()
    .add_columns(Run.run_dir, Run.checkpoint_dir, Run.request, Config.content)
    .add_columns(Run.dataset_id, Run.dataset_version_id, DatasetVersion.fingerprint)
    .join(Config, Config.id == Run.config_id)
    .outerjoin(DatasetVersion, DatasetVersion.id == Run.dataset_version_id)
    .where(*_conditions(frozenset({"ids"}), with_archived=True))
)
_ATTEMPTS = Prepared(
    select(*(getattr(Job, name) for name in AttemptRow.__dataclass_fields__))
    .where(Job.run_id == bindparam("run_id"))
    .order_by(Job.attempt)
)
