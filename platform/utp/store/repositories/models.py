"""Registered models with their versions and the history of their stages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from utp.store.access import Stage
from utp.store.database import Database
from utp.store.errors import NotFound
from utp.store.tables.model_stage_change import ModelStageChange
from utp.store.tables.model_version import ModelVersion
from utp.store.tables.registered_model import RegisteredModel


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """When a version came to a stage; seconds since 1970, UTC."""

    stage: Stage
    by: str
    at: float


@dataclass(frozen=True, kw_only=True)
class ModelVersionRow:
    """One version."""

    version: int
    run_id: str | None
    """None: the run was deleted."""
    run_name: str
    checkpoint: str
    stage: Stage
    note: str
    metrics: Mapping[str, Any] | None
    dataset_fingerprint: str | None
    config_id: str | None
    created_by: str
    created_at: float
    updated_at: float
    history: Sequence[StageRow]


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One model."""

    id: str
    project_id: str
    name: str
    description: str
    created_at: float
    updated_at: float
    version: int
    """Counts the edits."""
    versions: Sequence[ModelVersionRow]
    """The newest first."""


class ModelRepository:
    """Queries over models."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_of_project(self, project_id: str) -> list[ModelRow]:
        """Return a project's models by name."""
        return self._read(RegisteredModel.project_id == project_id)

    def get(self, model_id: str) -> ModelRow:
        """Return one model. Raises `NotFound`."""
        rows = self._read(RegisteredModel.id == model_id)
        if not rows:
            raise NotFound("model", model_id)
        return rows[0]

    def find_version(self, model: ModelRow, version: int) -> ModelVersionRow:
        """Return one version of a model. Raises `NotFound`."""
        for row in model.versions:
            if row.version == version:
                return row
        raise NotFound("version", str(version))

    def _read(self, condition: Any) -> list[ModelRow]:
        names = [name for name in ModelRow.__dataclass_fields__ if name != "versions"]
        query = select(*(getattr(RegisteredModel, name) for name in names)).where(condition)
        with self._database.read() as connection:
            models = connection.execute(query.order_by(RegisteredModel.name)).mappings().all()
            ids = [row["id"] for row in models]
            history: dict[tuple[str, int], list[StageRow]] = defaultdict(list)
            changes = select(ModelStageChange.__table__).where(ModelStageChange.model_id.in_(ids))
            for row in connection.execute(changes.order_by(ModelStageChange.id)).mappings():
                stage = StageRow(stage=row["stage"], by=row["by"], at=row["at"])
                history[row["model_id"], row["version"]].append(stage)
            versions: dict[str, list[ModelVersionRow]] = defaultdict(list)
            columns = [name for name in ModelVersionRow.__dataclass_fields__ if name != "history"]
            found = select(ModelVersion.__table__).where(ModelVersion.model_id.in_(ids))
            for row in connection.execute(found.order_by(ModelVersion.version.desc())).mappings():
                own = history[row["model_id"], row["version"]]
                versions[row["model_id"]].append(ModelVersionRow(**{n: row[n] for n in columns}, history=own))
            return [ModelRow(**row, versions=versions[row["id"]]) for row in models]
