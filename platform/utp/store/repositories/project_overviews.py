"""Projects with what a card of the page shows: counts, the best run, how the last runs went, members."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Select, func, select

from utp.store.database import Database
from utp.store.errors import NotFound
from utp.store.states import ENDED, RunState
from utp.store.tables.project import Project
from utp.store.tables.project_dataset import ProjectDataset
from utp.store.tables.project_member import ProjectMember
from utp.store.tables.run import Run
from utp.store.tables.saved_config import SavedConfig
from utp.store.tables.user import User

NUM_RECENT = 20
"""Ended runs whose best values are shown as a line."""


@dataclass(frozen=True, kw_only=True)
class RecentRun:
    """An ended run with its best value."""

    run_id: str
    name: str
    metric: str
    value: float


@dataclass(frozen=True, kw_only=True)
class ProjectOverview:
    """One project; times are seconds since 1970, UTC."""

    id: str
    name: str
    description: str
    max_gpus: int | None
    created_at: float
    updated_at: float | None
    archived_at: float | None
    num_runs_by_state: Mapping[RunState, int] = field(default_factory=dict)
    num_configs: int = 0
    num_datasets: int = 0
    recent: Sequence[RecentRun] = ()
    """The last ended runs that have a best value, the oldest first."""
    members: Sequence[tuple[str, str]] = ()
    """Ids and names of users."""


_COLUMNS = ("id", "name", "description", "max_gpus", "created_at", "updated_at", "archived_at")


class ProjectOverviews:
    """Queries over projects for the page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_projects(
        self, *, ids: Collection[str] | None = None, with_archived: bool = False, search: str | None = None
    ) -> list[ProjectOverview]:
        """Return the projects by name, only those with these ids where some are given."""
        query = select(*(getattr(Project, name) for name in _COLUMNS)).order_by(Project.name)
        if ids is not None:
            query = query.where(Project.id.in_(ids))
        if not with_archived:
            query = query.where(Project.archived_at.is_(None))
        if search:
            query = query.where(Project.name.icontains(search, autoescape=True))
        return self._read(query)

    def get(self, project_id: str) -> ProjectOverview:
        """Return one project. Raises `NotFound`."""
        found = self._read(select(*(getattr(Project, name) for name in _COLUMNS)).where(Project.id == project_id))
        if not found:
            raise NotFound("project", project_id)
        return found[0]

    def check_exists(self, project_id: str) -> None:
        """Raise `NotFound` for an unknown project."""
        self.name_of(project_id)

    def name_of(self, project_id: str) -> str:
        """Return the name of a project. Raises `NotFound`."""
        with self._database.read() as connection:
            name = connection.scalar(select(Project.name).where(Project.id == project_id))
        if name is None:
            raise NotFound("project", project_id)
        return name

    def _read(self, query: Select[*tuple[object, ...]]) -> list[ProjectOverview]:
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            ids = [row.id for row in rows]
            by_state = _count_runs(connection, ids)
            num_configs = _count(connection, SavedConfig, ids)
            num_datasets = _count(connection, ProjectDataset, ids)
            members = _members(connection, ids)
            return [
                ProjectOverview(
                    **row._mapping,
                    num_runs_by_state=by_state[row.id],
                    num_configs=num_configs.get(row.id, 0),
                    num_datasets=num_datasets.get(row.id, 0),
                    members=members[row.id],
                    recent=_recent(connection, row.id),
                )
                for row in rows
            ]


def _count_runs(connection: Connection, ids: Sequence[str]) -> dict[str, dict[RunState, int]]:
    query = select(Run.project_id, Run.state, func.count()).where(Run.project_id.in_(ids), Run.deleted_at.is_(None))
    counts: dict[str, dict[RunState, int]] = defaultdict(dict)
    for project_id, state, count in connection.execute(query.group_by(Run.project_id, Run.state)):
        counts[project_id][state] = count
    return counts


def _count(
    connection: Connection, table: type[SavedConfig] | type[ProjectDataset], ids: Sequence[str]
) -> dict[str, int]:
    query = select(table.project_id, func.count()).where(table.project_id.in_(ids)).group_by(table.project_id)
    if table is SavedConfig:
        query = query.where(SavedConfig.archived_at.is_(None))
    return {row[0]: row[1] for row in connection.execute(query)}


def _members(connection: Connection, ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    query = select(ProjectMember.project_id, User.id, User.name).join(User, User.id == ProjectMember.user_id)
    members: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for project_id, user_id, name in connection.execute(
        query.where(ProjectMember.project_id.in_(ids)).order_by(User.name)
    ):
        members[project_id].append((user_id, name))
    return members


def _recent(connection: Connection, project_id: str) -> list[RecentRun]:
    query = select(Run.id, Run.name, Run.best_metric, Run.best_value)
    ended = (Run.state.in_(ENDED), Run.best_value.is_not(None), Run.deleted_at.is_(None))
    newest = query.where(Run.project_id == project_id, *ended).order_by(Run.id.desc()).limit(NUM_RECENT)
    rows = connection.execute(newest).all()[::-1]
    return [RecentRun(run_id=row.id, name=row.name, metric=str(row.best_metric), value=row.best_value) for row in rows]
