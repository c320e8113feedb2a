"""`RemoteClient`: what commands ask of the platform, over its API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import islice
from typing import Any

from pydantic import BaseModel

from utp.api.checkpoints.schemas import Checkpoint
from utp.api.logs.schemas import LogPage
from utp.api.runs.schemas import Attempt, Run
from utp.client.errors import ApiError
from utp.client.resources import Projects
from utp.client.runs import Runs
from utp.client.transport import Transport
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.errors import ConfigError
from utp.store.recorder.queueing import QueuedRun
from utp.store.repositories.runs import AttemptRow, CheckpointRow, RunDetail, RunRow
from utp.store.states import RunState, Wish

PAGE_LINES = 5000


class RemoteClient:
    """Fills `RunClient` as the owner of a token.

    Args:
        url: of the server.
        token: a personal access token.
    """

    def __init__(self, url: str, token: str) -> None:
        self._transport = Transport(url, token)
        self._runs = Runs(self._transport)
        self._projects = Projects(self._transport)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def submit(self, config: TrainConfig, request: RunRequest, *, project: str, owner: str) -> QueuedRun:
        """Queue a run; its owner is who the token is of. Raises `ApiError`."""
        run = self._runs.submit(config, project=project, request=request)
        return QueuedRun(id=run.id, **_taken(run.detail(), "name", "run_dir", "checkpoint_dir"))

    def list_runs(
        self, *, project: str | None, limit: int, states: Sequence[RunState] | None = None
    ) -> Sequence[RunRow]:
        """Return the newest runs."""
        found = self._projects.find(project) if project is not None else None
        if project is not None and found is None:
            return []
        names = {one.id: one.name for one in self._projects}
        listed = islice(self._runs.list(project_id=found.id if found else None, states=states or ()), limit)
        return [RunRow(**_row(one.run, names)) for one in listed]

    def get(self, run: str) -> RunDetail:
        """Return a run by its id, its name, or the beginning of either. Raises `RunNotFound`, `RunAmbiguous`."""
        found = self._runs.get(run)
        sent = found.detail()
        return RunDetail(
            **_row(sent, {sent.project_id: self._projects.get(sent.project_id).name}),
            **_taken(sent, "run_dir", "checkpoint_dir", "config", "request", "message", "health_detail", "metrics"),
            wished_by="",
            attempts=[_attempt_row(one) for one in sent.attempts],
            checkpoints=[_checkpoint_row(one) for one in found.checkpoints().items],
            figures=[],
        )

    def wish(self, run: str, wish: Wish, *, by: str) -> RunState:
        """Ask a run to stop or to pause. Raises `ApiError`."""
        found = self._runs.get(run)
        return (found.stop() if wish is Wish.STOP else found.pause()).state

    def resume(self, run: str) -> RunState:
        """Queue a paused, stopped or failed run again. Raises `ApiError`."""
        return self._runs.get(run).resume().state

    def retry(self, run: str) -> RunState:
        """Queue a failed or stopped run again. Raises `ApiError`."""
        return self._runs.get(run).retry().state

    def last_log_lines(self, run: str, *, attempt: int | None, rank: int, num_lines: int | None) -> Sequence[str]:
        """Return the last lines of a rank's log, of the newest attempt without one named. Raises `ConfigError`."""
        found = self._runs.get(run)
        start = 0 if num_lines is None else -num_lines
        lines: list[str] = []
        while True:
            place = {"attempt": attempt, "stream": f"rank{rank}.log", "start": start, "limit": PAGE_LINES}
            try:
                page = self._transport.get(LogPage, f"/runs/{found.id}/logs", **place)
            except ApiError as error:
                if error.status != 404:
                    raise
                raise ConfigError((f"attempt: {found.name} has no such log: {error}",)) from error
            lines += [line.text for line in page.lines]
            if not page.lines or len(lines) == num_lines:
                return lines
            start = page.lines[-1].line + 1

    def log_lines(self, run: str, *, is_followed: bool) -> Iterator[str]:
        """Yield the lines of the first rank's log, of all attempts; following, until the run has ended."""
        return self._runs.get(run).lines(is_followed=is_followed)


def _row(run: Run, projects: dict[str, str]) -> dict[str, Any]:
    own = {"project": projects.get(run.project_id, run.project_id), "group": run.group_name}
    names = [field.name for field in fields(RunRow) if field.name not in own]
    return {**own, **_taken(run, *names), "wait_reason": run.wait_reason or ""}


def _attempt_row(sent: Attempt) -> AttemptRow:
    known = [field.name for field in fields(AttemptRow) if field.name in Attempt.model_fields]
    began = sent.started_at.timestamp() if sent.started_at else 0.0
    return AttemptRow(**_taken(sent, *known), pid=None, phase="", created_at=began, submitted_at=None)


def _checkpoint_row(sent: Checkpoint) -> CheckpointRow:
    known = [field.name for field in fields(CheckpointRow) if field.name in Checkpoint.model_fields]
    return CheckpointRow(**_taken(sent, *known), attempt=0)


def _taken(sent: BaseModel, *names: str) -> dict[str, Any]:
    """Return fields of an answer, times as seconds since 1970."""
    values = {name: getattr(sent, name) for name in names}
    return {name: value.timestamp() if isinstance(value, datetime) else value for name, value in values.items()}
