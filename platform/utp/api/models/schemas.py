"""Bodies of registered models."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from utp.api.schemas import Answer, Asked, Id, Name, Page, Text, Time
from utp.store.access import Stage


class ModelCreate(Asked):
    """A model to register."""

    name: Name
    description: Text = ""


class ModelPatch(Asked):
    """What to change; what is left out stays."""

    name: Name | None = None
    description: Text | None = None


class ModelVersionCreate(Asked):
    """A checkpoint of a run of the same project."""

    run_id: Id
    checkpoint: Annotated[str, Field(pattern=r"^[0-9A-Za-z_.-]{1,200}$")]
    note: Text = ""


class ModelVersionPatch(Asked):
    """What to change; what is left out stays."""

    stage: Stage | None = None
    """`production` sends the version that was there into the archive."""
    note: Text | None = None


class StageChange(Answer):
    """When a version came to a stage, and by whom."""

    stage: Stage
    by: str
    at: Time


class ModelVersion(Answer):
    """One version, with where it comes from."""

    version: int
    run_id: str | None
    """Null: the run was deleted."""
    run_name: str
    checkpoint: str
    stage: Stage
    note: str
    metrics: dict[str, float | None]
    """Of the checkpoint; with the final ones of its run where it is the run's best."""
    dataset_fingerprint: str | None
    config_id: str | None
    created_by: str
    created_at: Time
    history: list[StageChange]
    """The oldest first."""


class RegisteredModel(Answer):
    """One model."""

    id: Id
    project_id: Id
    name: str
    description: str
    created_at: Time
    versions: list[ModelVersion]
    """The newest first."""
    latest_version: int | None
    production_version: int | None


class RegisteredModelPage(Page[RegisteredModel]):
    """Models of a project."""
