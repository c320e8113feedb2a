"""What a `Client` offers beside its runs: projects, configs, metrics, models, machines and the queue, typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from utp.api.agents.schemas import Agent, AgentPage
from utp.api.configs.schemas import Config, ConfigDiff, ConfigPage, ConfigValidation
from utp.api.metrics.schemas import CurveList
from utp.api.models.schemas import ModelVersion, RegisteredModel, RegisteredModelPage
from utp.api.projects.schemas import Project, ProjectPage
from utp.api.run_queue.schemas import QueueItem, QueueOut
from utp.client.tables import rows_of
from utp.client.transport import MAX_PAGE, Transport
from utp.config.loading import dump_config
from utp.config.train import TrainConfig


class Projects:
    """`client.projects`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __iter__(self) -> Iterator[Project]:
        return self._transport.pages(ProjectPage, "/projects")

    def get(self, project_id: str) -> Project:
        """Return a project by its id."""
        return self._transport.get(Project, f"/projects/{project_id}")

    def find(self, name: str) -> Project | None:
        """Return a project by its name; None where none that you see is called so."""
        return next((one for one in self._transport.pages(ProjectPage, "/projects", q=name) if one.name == name), None)

    def create(self, name: str, *, description: str = "", max_gpus: int | None = None) -> Project:
        """Make a project."""
        body = {"name": name, "description": description, "max_gpus": max_gpus}
        return self._transport.post(Project, "/projects", body)

    def find_or_create(self, name: str) -> Project:
        """Return the project of this name, made if need be."""
        return self.find(name) or self.create(name)

    def update(self, project_id: str, **changes: Any) -> Project:
        """Change `name`, `description`, `max_gpus` or `is_archived`."""
        return self._transport.edit(Project, f"/projects/{project_id}", changes)


class Configs:
    """`client.configs`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project_id: str) -> Iterator[Config]:
        """Yield the saved configs of a project."""
        return self._transport.pages(ConfigPage, f"/configs/project/{project_id}")

    def get(self, config_id: str) -> Config:
        """Return a saved config."""
        return self._transport.get(Config, f"/configs/{config_id}")

    def create(
        self, project_id: str, name: str, config: TrainConfig | Mapping[str, Any], *, description: str = ""
    ) -> Config:
        """Save a config."""
        body = {"project_id": project_id, "name": name, "description": description, "config": fields_of(config)}
        return self._transport.post(Config, "/configs", body)

    def clone(self, config_id: str, name: str) -> Config:
        """Save a copy under another name."""
        return self._transport.post(Config, f"/configs/{config_id}/clone", {"name": name})

    def update(self, config_id: str, **changes: Any) -> Config:
        """Change `name`, `description`, `config` or `is_archived`."""
        return self._transport.edit(Config, f"/configs/{config_id}", changes)

    def validate(self, config: TrainConfig | Mapping[str, Any]) -> ConfigValidation:
        """Say what is wrong with a config on the server, and save nothing."""
        return self._transport.post(ConfigValidation, "/configs/validate", {"config": fields_of(config)})

    def diff(self, a: str, b: str) -> ConfigDiff:
        """Return the fields that differ between two saved configs."""
        return self._transport.get(ConfigDiff, "/configs/diff", a=a, b=b)


class Metrics:
    """`client.metrics`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def curves(
        self,
        run_ids: Sequence[str],
        names: Sequence[str] = (),
        *,
        max_points: int = 2000,
        after_step: int | None = None,
    ) -> CurveList:
        """Return curves of several runs in one call, all or those named."""
        query = {"run_ids": ",".join(run_ids), "names": ",".join(names) or "*"}
        return self._transport.get(CurveList, "/metrics", **query, max_points=max_points, after_step=after_step)

    def rows(self, run_id: str, names: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return a row a step of one run, with a key a curve."""
        return rows_of(self.curves([run_id], names, max_points=10_000).items)


class Models:
    """`client.models`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project_id: str) -> Iterator[RegisteredModel]:
        """Yield the registered models of a project."""
        return self._transport.pages(RegisteredModelPage, f"/projects/{project_id}/models")

    def get(self, model_id: str) -> RegisteredModel:
        """Return a model with its versions."""
        return self._transport.get(RegisteredModel, f"/models/{model_id}")

    def create(self, project_id: str, name: str, *, description: str = "") -> RegisteredModel:
        """Register a model."""
        body = {"name": name, "description": description}
        return self._transport.post(RegisteredModel, f"/projects/{project_id}/models", body)

    def add_version(self, model_id: str, run_id: str, checkpoint: str, *, note: str = "") -> ModelVersion:
        """Make a checkpoint of a run the model's next version."""
        body = {"run_id": run_id, "checkpoint": checkpoint, "note": note}
        return self._transport.post(ModelVersion, f"/models/{model_id}/versions", body)

    def set_stage(self, model_id: str, version: int, stage: str) -> ModelVersion:
        """Move a version to `none`, `candidate`, `production` or `archived`."""
        return self._transport.edit(ModelVersion, f"/models/{model_id}/versions/{version}", {"stage": stage})


class Agents:
    """`client.agents`: machines with their GPUs."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __iter__(self) -> Iterator[Agent]:
        return self._transport.pages(AgentPage, "/agents")

    def get(self, agent_id: str) -> Agent:
        """Return a machine."""
        return self._transport.get(Agent, f"/agents/{agent_id}")

    def drain(self, agent_id: str, *, is_draining: bool = True) -> Agent:
        """Let no run start there, or let them again."""
        return self._transport.post(Agent, f"/agents/{agent_id}/{'drain' if is_draining else 'undrain'}")


class Queue:
    """`client.queue`: the runs that wait, the next one first."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __iter__(self) -> Iterator[QueueItem]:
        return self._transport.pages(QueueOut, "/queue")

    def get(self) -> QueueOut:
        """Return its first places, the active runs and the free GPUs."""
        return self._transport.get(QueueOut, "/queue", limit=MAX_PAGE)

    def move(self, run_id: str, before_run_id: str | None) -> QueueOut:
        """Put a run before another, or (None) at the end."""
        return self._transport.post(QueueOut, f"/queue/{run_id}/move", {"before_run_id": before_run_id})


def fields_of(config: TrainConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Return a config as the API takes it."""
    return dump_config(config) if isinstance(config, TrainConfig) else dict(config)
