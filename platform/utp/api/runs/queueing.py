"""From a named config, an inline one or a run that was, to runs in the queue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from utp.api.configs.service import ConfigService
from utp.api.configs.training import override, require_config
from utp.api.errors import InvalidRequest
from utp.api.runs.access import require_run
from utp.api.runs.schemas import RunCreate, RunsFromConfig
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.config.loading import parse_config
from utp.config.placing import make_absolute
from utp.config.problems import describe_problems
from utp.config.request import RunRequest
from utp.config.submission import check_submission
from utp.config.train import TrainConfig
from utp.errors import ConfigError
from utp.store.errors import NotFound
from utp.store.recorder.creation import CreationKey
from utp.store.recorder.queueing import RunHome, RunOrigin
from utp.store.repositories.project_overviews import ProjectOverviews
from utp.store.repositories.run_lists import RunLists
from utp.store.repositories.saved_configs import GroupRepository


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """What runs that are queued together share."""

    home: RunHome
    tags: Sequence[str]
    origin: RunOrigin = field(default_factory=RunOrigin)


class RunQueueing:
    """Queues runs for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal

    def from_config(self, config_id: str, asked: RunsFromConfig, creation: CreationKey | None) -> list[str]:
        """Queue runs of a named config and return their ids."""
        saved = ConfigService(self._services, self._principal).require(config_id, Action.WRITE)
        changes = dict(asked.overrides)
        if asked.name_suffix:
            changes["model_suffix"] = asked.name_suffix
        config = require_config(override(saved.config, changes), self._services.settings)
        request = RunRequest(num_workers=asked.workers, gpus_per_worker=asked.gpus_per_worker, priority=asked.priority)
        configs = [replace(config, seed=seed) for seed in _seeds(asked, config.seed)]
        batch = _Batch(
            home=RunHome(project_id=saved.project_id, group_id=asked.group_id),
            tags=asked.tags,
            origin=RunOrigin(saved_config_id=config_id),
        )
        return self._queue(batch, configs, request, creation)

    def inline(self, asked: RunCreate, creation: CreationKey | None) -> str:
        """Queue a run whose config came with it and return its id."""
        self._principal.require(asked.project_id, Action.WRITE)
        config = require_config(asked.config, self._services.settings)
        request = parse_request(asked.request)
        batch = _Batch(home=RunHome(project_id=asked.project_id, group_id=asked.group_id), tags=asked.tags)
        return self._queue(batch, [config], request, creation)[0]

    def clone(self, run_id: str, creation: CreationKey | None) -> str:
        """Queue a new run with config, request, group and tags of another and return its id."""
        require_run(self._services, self._principal, run_id, Action.WRITE)
        stored = RunLists(self._services.database).read_whole(run_id)
        config, request = parse_config(json.loads(stored.config)), parse_request(stored.request)
        batch = _Batch(
            home=RunHome(project_id=stored.run.project_id, group_id=stored.run.group_id),
            tags=stored.run.tags,
            origin=RunOrigin(parent_run_id=run_id),
        )
        return self._queue(batch, [config], request, creation)[0]

    def _queue(
        self, batch: _Batch, configs: Sequence[TrainConfig], request: RunRequest, creation: CreationKey | None
    ) -> list[str]:
        if problem := self._services.cluster.explain_unsatisfiable(request):
            raise ConfigError((problem,))  # it would wait for ever
        for config in configs:
            check_submission(config, request)
        self._check_home(batch.home)
        if creation is not None:
            self._services.recorder.claim_key(creation)
        settings = self._services.settings
        queued = [
            self._services.recorder.queue_run(
                make_absolute(config, settings),
                request,
                owner=self._principal.name,
                tags=list(dict.fromkeys(batch.tags)),
                idempotency_key=None if creation is None else f"{creation.user_id}:{creation.key}:{number}",
                origin=batch.origin,
                home=batch.home,
                settings=settings,
            )
            for number, config in enumerate(configs)
        ]
        self._services.wakeup.wake()
        return [run.id for run in queued]

    def _check_home(self, home: RunHome) -> None:
        """Raise `NotFound` before a key is claimed for what can't be done."""
        ProjectOverviews(self._services.database).check_exists(home.project_id)
        if home.group_id is not None:
            group = GroupRepository(self._services.database).get(home.group_id)
            if group.project_id != home.project_id:
                raise NotFound("group", home.group_id)


def parse_request(values: Mapping[str, Any]) -> RunRequest:
    """Return the request with these field values. Raises `ConfigError`, one sentence for each wrong field."""
    try:
        return RunRequest(**values)
    except ValidationError as error:
        raise ConfigError(describe_problems(error, RunRequest, prefix="request.")) from error


def _seeds(asked: RunsFromConfig, first: int) -> Sequence[int]:
    if asked.seeds is None:
        return range(first, first + asked.count)
    if asked.count not in (1, len(asked.seeds)):
        raise InvalidRequest("count", asked.count, f"differs from the {len(asked.seeds)} seeds", "leave it out")
    return asked.seeds
