"""`client.runs`: queue runs, list and find them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from utp.api.runs.schemas import Run, RunList, RunPage
from utp.client.resources import Projects, fields_of
from utp.client.run import ClientRun
from utp.client.transport import Transport
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.store.errors import RunAmbiguous, RunNotFound
from utp.store.repositories.runs import MAX_CANDIDATES, MIN_ID_BEGINNING
from utp.store.states import RunState

_ID = re.compile("[0-9a-f]{32}")
_HEX = re.compile(f"[0-9a-f]{{{MIN_ID_BEGINNING},31}}")


class Runs:
    """Runs that the token's owner sees."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._projects = Projects(transport)

    def submit(
        self,
        config: TrainConfig | Mapping[str, Any],
        *,
        project: str = "default",
        request: RunRequest | None = None,
        tags: Sequence[str] = (),
        group_id: str | None = None,
    ) -> ClientRun:
        """Queue a run in the project of this name, which is made if need be. Paths in it are the server's."""
        body = {
            "project_id": self._projects.find_or_create(project).id,
            "config": fields_of(config),
            "request": asdict(request or RunRequest()),
            "tags": list(tags),
            "group_id": group_id,
        }
        return ClientRun(self._transport, self._transport.post(Run, "/runs", body))

    def from_config(self, config_id: str, **options: Any) -> list[ClientRun]:
        """Queue runs of a saved config; `count`, `seeds`, `overrides`, `priority`, ... as in `RunsFromConfig`."""
        queued = self._transport.post(RunList, f"/runs/from-config/{config_id}", options)
        return [ClientRun(self._transport, run) for run in queued.items]

    def list(
        self,
        *,
        project_id: str | None = None,
        states: Sequence[RunState] = (),
        q: str | None = None,
        sort: str | None = None,
        archived: bool = False,
    ) -> Iterator[ClientRun]:
        """Yield runs, the newest first unless sorted otherwise; pages are read as they are needed."""
        query = {"project_id": project_id, "state": ",".join(states) or None, "q": q, "sort": sort}
        for run in self._transport.pages(RunPage, "/runs", **query, archived=archived):
            yield ClientRun(self._transport, run)

    def get(self, run: str) -> ClientRun:
        """Return a run by its id, its name, or the beginning of either. Raises `RunNotFound`, `RunAmbiguous`."""
        if _ID.fullmatch(run):
            return ClientRun(self._transport, self._transport.get(Run, f"/runs/{run}"))
        named = [one for one in self.list(q=run[:200], archived=True) if one.name.startswith(run)]
        found = [one for one in named if one.name == run] or named
        if not found and _HEX.fullmatch(run):
            found = [one for one in self.list(archived=True) if one.id.startswith(run)]
        if not found:
            raise RunNotFound(run)
        if len(found) > 1:
            raise RunAmbiguous(run, tuple(f"{one.name} ({one.id[:12]})" for one in found[:MAX_CANDIDATES]))
        return found[0]
