"""The registry of models: who may register and promote what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from utp.api.etag import check_if_match, etag_of
from utp.api.models.schemas import (
    ModelCreate,
    ModelPatch,
    ModelVersion,
    ModelVersionCreate,
    ModelVersionPatch,
    RegisteredModel,
    RegisteredModelPage,
    StageChange,
)
from utp.api.paging import PageRequest, page_in_memory
from utp.api.runs.access import require_run
from utp.api.schemas import to_time
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.store.access import Stage
from utp.store.recorder.creation import CreationKey
from utp.store.repositories.models import ModelRepository, ModelRow, ModelVersionRow
from utp.store.repositories.project_overviews import ProjectOverviews

SORTS = {
    "name": lambda row: row.name,
    "created_at": lambda row: row.created_at,
    "updated_at": lambda row: row.updated_at,
}


class ModelService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._recorder = services.recorder
        self._services = services
        self._principal = principal
        self._models = ModelRepository(services.database)

    def list_models(self, project_id: str, page: PageRequest) -> RegisteredModelPage:
        """Return a project's models."""
        self._principal.require(project_id, Action.READ)
        ProjectOverviews(self._services.database).check_exists(project_id)
        rows = self._models.list_of_project(project_id)
        if page.q:
            rows = [row for row in rows if page.q.lower() in f"{row.name} {row.description}".lower()]
        items, cursor = page_in_memory(rows, page, SORTS, "name", lambda row: row.id)
        return RegisteredModelPage(items=[_to_model(row) for row in items], next_cursor=cursor, total=len(rows))

    def create(self, project_id: str, asked: ModelCreate, creation: CreationKey | None) -> RegisteredModel:
        """Register a model. Raises `Conflict`."""
        self._principal.require(project_id, Action.WRITE)
        ProjectOverviews(self._services.database).check_exists(project_id)
        model_id = self._recorder.add_model(
            project_id, asked.name, description=asked.description, by=self._principal.name, creation=creation
        )
        return _to_model(self._models.get(model_id))

    def get(self, model_id: str) -> tuple[RegisteredModel, str]:
        """Return a model and its ETag. Raises `NotFound`."""
        row = self._require(model_id, Action.READ)
        return _to_model(row), etag_of(row.id, row.version)

    def change(self, model_id: str, asked: ModelPatch, if_match: str | None) -> tuple[RegisteredModel, str]:
        """Change what was given, where the ETag still holds."""
        self._require(model_id, Action.WRITE)
        changes = asked.model_dump(exclude_none=True)

        def check(row: Mapping[str, Any]) -> None:
            check_if_match(if_match, etag_of(row["id"], row["version"]))

        self._recorder.change_model(model_id, changes, check)
        return self.get(model_id)

    def remove(self, model_id: str) -> None:
        """Remove a model. Raises `NotFound`, `Conflict` while a version is in production."""
        self._require(model_id, Action.WRITE)
        self._recorder.remove_model(model_id)

    def add_version(self, model_id: str, asked: ModelVersionCreate, creation: CreationKey | None) -> ModelVersion:
        """Register a checkpoint as the next version. Raises `NotFound`, `RunNotFound`."""
        self._require(model_id, Action.WRITE)
        require_run(self._services, self._principal, asked.run_id)
        version = self._recorder.add_model_version(
            model_id, asked.run_id, asked.checkpoint, note=asked.note, by=self._principal.name, creation=creation
        )
        return self.get_version(model_id, version)[0]

    def get_version(self, model_id: str, version: int) -> tuple[ModelVersion, str]:
        """Return a version and its ETag. Raises `NotFound`."""
        row = self._models.find_version(self._require(model_id, Action.READ), version)
        return _to_version(row), etag_of(model_id, row.version, row.stage, row.note)

    def change_version(
        self, model_id: str, version: int, asked: ModelVersionPatch, if_match: str | None
    ) -> tuple[ModelVersion, str]:
        """Change stage or note, where the ETag still holds."""
        self._require(model_id, Action.WRITE)

        def check(row: Mapping[str, Any]) -> None:
            check_if_match(if_match, etag_of(model_id, row["version"], row["stage"], row["note"]))

        self._recorder.change_model_version(
            model_id, version, stage=asked.stage, note=asked.note, by=self._principal.name, check=check
        )
        return self.get_version(model_id, version)

    def remove_version(self, model_id: str, version: int) -> None:
        """Remove a version. Raises `NotFound`, `Conflict` for the one in production."""
        self._require(model_id, Action.WRITE)
        self._recorder.remove_model_version(model_id, version)

    def _require(self, model_id: str, action: Action) -> ModelRow:
        row = self._models.get(model_id)
        self._principal.require(row.project_id, action, what="model", id=model_id)
        return row


def _to_model(row: ModelRow) -> RegisteredModel:
    live = [one.version for one in row.versions if one.stage is Stage.PRODUCTION]
    return RegisteredModel(
        id=row.id,
        project_id=row.project_id,
        name=row.name,
        description=row.description,
        created_at=to_time(row.created_at),
        versions=[_to_version(one) for one in row.versions],
        latest_version=row.versions[0].version if row.versions else None,
        production_version=live[0] if live else None,
    )


def _to_version(row: ModelVersionRow) -> ModelVersion:
    numbers = {name: value for name, value in (row.metrics or {}).items() if isinstance(value, int | float | None)}
    return ModelVersion(
        version=row.version,
        run_id=row.run_id,
        run_name=row.run_name,
        checkpoint=row.checkpoint,
        stage=row.stage,
        note=row.note,
        metrics={n: v if v is not None and math.isfinite(v) else None for n, v in numbers.items()},
        dataset_fingerprint=row.dataset_fingerprint,
        config_id=row.config_id,
        created_by=row.created_by,
        created_at=to_time(row.created_at),
        history=[StageChange(stage=one.stage, by=one.by, at=to_time(one.at)) for one in row.history],
    )
