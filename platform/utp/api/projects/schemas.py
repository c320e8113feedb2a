"""Bodies of projects."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from utp.api.schemas import Answer, Asked, Id, Name, Page, Text, Time
from utp.store.states import RunState

MaxGpus = Annotated[int, Field(ge=0, le=100_000)]


class ProjectCreate(Asked):
    """A project to make."""

    name: Name
    description: Text = ""
    max_gpus: MaxGpus | None = None
    """GPUs that its runs may hold together; null means no limit."""


class ProjectPatch(Asked):
    """What to change; what is left out stays."""

    name: Name | None = None
    description: Text | None = None
    max_gpus: MaxGpus | None = None
    """Null takes the limit away."""
    is_archived: bool | None = None


class ProjectBest(Answer):
    """The best of its last runs."""

    metric: str
    value: float
    run_id: Id
    run_name: str


class ProjectMember(Answer):
    """A user who sees the project."""

    user_id: Id
    name: str


class Project(Answer):
    """One project."""

    id: Id
    name: str
    description: str
    created_at: Time
    updated_at: Time
    archived_at: Time | None
    num_runs: int
    num_runs_by_state: dict[RunState, int]
    num_configs: int
    num_datasets: int
    max_gpus: int | None
    """GPUs that its runs may hold together; null means no limit."""
    best: ProjectBest | None
    recent_best: list[float]
    """Best values of the last 20 ended runs, the oldest first."""
    members: list[ProjectMember] | None


class ProjectPage(Page[Project]):
    """Projects."""
