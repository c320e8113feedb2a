"""Named configs and groups of projects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from utp.store.database import Database
from utp.store.errors import NotFound
from utp.store.tables.config import Config
from utp.store.tables.experiment_group import ExperimentGroup
from utp.store.tables.run import Run
from utp.store.tables.saved_config import SavedConfig


@dataclass(frozen=True, kw_only=True)
class SavedConfigRow:
    """One named config; times are seconds since 1970, UTC."""

    id: str
    project_id: str
    name: str
    description: str
    config_id: str
    """Of its content."""
    config: Mapping[str, Any]
    """`TrainConfig` as JSON."""
    num_runs: int
    created_by: str
    created_at: float
    updated_at: float
    archived_at: float | None


@dataclass(frozen=True, kw_only=True)
class GroupRow:
    """One experiment group."""

    id: str
    project_id: str
    name: str
    description: str
    created_at: float
    num_runs: int


_NUM_RUNS = (
    select(func.count())
    .where(Run.saved_config_id == SavedConfig.id, Run.deleted_at.is_(None))
    .correlate(SavedConfig)
    .scalar_subquery()
)
_NUM_GROUP_RUNS = (
    select(func.count())
    .where(Run.group_id == ExperimentGroup.id, Run.deleted_at.is_(None))
    .correlate(ExperimentGroup)
    .scalar_subquery()
)


class SavedConfigRepository:
    """Queries over named configs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_configs(
        self, project_id: str, *, with_archived: bool = False, search: str | None = None
    ) -> list[SavedConfigRow]:
        """Return the named configs of a project."""
        query = _configs().where(SavedConfig.project_id == project_id)
        if not with_archived:
            query = query.where(SavedConfig.archived_at.is_(None))
        if search:
            texts = (SavedConfig.name, SavedConfig.description, Config.content)
            matches = [text.icontains(search, autoescape=True) for text in texts]
            query = query.where(matches[0] | matches[1] | matches[2])
        return self._read(query)

    def get(self, saved_id: str) -> SavedConfigRow:
        """Return one named config. Raises `NotFound`."""
        found = self._read(_configs().where(SavedConfig.id == saved_id))
        if not found:
            raise NotFound("config", saved_id)
        return found[0]

    def _read(self, query: Select[*tuple[Any, ...]]) -> list[SavedConfigRow]:
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [SavedConfigRow(**{**row, "config": json.loads(row["config"])}) for row in rows]


class GroupRepository:
    """Queries over experiment groups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_groups(self, project_id: str) -> list[GroupRow]:
        """Return the groups of a project."""
        with self._database.read() as connection:
            rows = connection.execute(_groups().where(ExperimentGroup.project_id == project_id)).mappings()
            return [GroupRow(**row) for row in rows]

    def get(self, group_id: str) -> GroupRow:
        """Return one group. Raises `NotFound`."""
        with self._database.read() as connection:
            row = connection.execute(_groups().where(ExperimentGroup.id == group_id)).mappings().first()
        if row is None:
            raise NotFound("group", group_id)
        return GroupRow(**row)


def _configs() -> Select[*tuple[Any, ...]]:
    joined = {"config": Config.content.label("config"), "num_runs": _NUM_RUNS.label("num_runs")}
    names = SavedConfigRow.__dataclass_fields__
    columns = [joined[name] if name in joined else getattr(SavedConfig, name) for name in names]
    return select(*columns).join(Config, Config.id == SavedConfig.config_id)


def _groups() -> Select[*tuple[Any, ...]]:
    columns = [getattr(ExperimentGroup, name) for name in GroupRow.__dataclass_fields__ if name != "num_runs"]
    return select(*columns, _NUM_GROUP_RUNS.label("num_runs"))
