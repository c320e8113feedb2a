"""Runs that were made without the store: recorded as they ended, never to be started by themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import insert, select, update

from utp.config.naming import dataset_name
from utp.config.paths import RunPaths
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.errors import FailureKind
from utp.store.database import Transaction
from utp.store.ids import new_id
from utp.store.recorder.queueing import add_config, get_or_add
from utp.store.recorder.writer import Writer, append_event
from utp.store.states import Outcome, RunState
from utp.store.tables.dataset import Dataset
from utp.store.tables.job import Job
from utp.store.tables.project import Project
from utp.store.tables.run import Run

_STATES = {
    Outcome.SUCCEEDED: RunState.SUCCEEDED,
    Outcome.STOPPED: RunState.STOPPED,
    Outcome.PAUSED: RunState.PAUSED,
    Outcome.PREEMPTED: RunState.PAUSED,
}
"""Where a run stands whose last attempt ended so; any other way it has failed. A person may resume it."""


@dataclass(frozen=True, kw_only=True)
class AdoptedAttempt:
    """One attempt as its journal tells it; times are seconds since 1970, UTC."""

    attempt: int
    start_step: int | None
    """None: it died before its first step."""
    host: str | None
    pid: int | None
    started_at: float | None
    ended_at: float | None
    outcome: Outcome
    failure_kind: FailureKind | None = None
    message: str | None = None
    step: int = 0
    epoch: int = 0


class AdoptionWriter(Writer):
    """Takes runs in that are over."""

    def adopt_run(
        self,
        config: TrainConfig,
        paths: RunPaths,
        data_root: Path,
        attempts: Sequence[AdoptedAttempt],
        *,
        metrics: Mapping[str, Any] | None = None,
        project: str = "default",
        owner: str = "",
    ) -> str:
        """Record a run with its attempts; return its id. One that is known gets the attempts that are new.

        Args:
            config: that it ran with.
            paths: its directories; they are its key.
            data_root: folder of its dataset.
            attempts: all of them, none alive, ascending.
            metrics: final ones.
            project: to file it under.
            owner: whose it is.
        """

        def work(tx: Transaction) -> str:
            found = select(Run.id, Run.attempt).where(Run.run_dir == str(paths.run_dir))
            known = tx.connection.execute(found).first()
            run_id = known.id if known else new_id()
            if known is None:
                place = {"project_id": get_or_add(tx, Project, name=project), "owner": owner}
                dataset = get_or_add(tx, Dataset, root=str(data_root), _name=dataset_name(data_root))
                _insert(tx, run_id, config, paths, {**place, "dataset_id": dataset})
            news = [attempt for attempt in attempts if attempt.attempt > (known.attempt if known else 0)]
            for attempt in news:
                job = {"run_id": run_id, "submission_id": f"import-{run_id}-a{attempt.attempt}", **asdict(attempt)}
                tx.connection.execute(insert(Job).values(**job, created_at=attempt.started_at or tx.now))
            if news or known is None:
                _finish(tx, run_id, attempts, metrics)
            return run_id

        return self._database.write(work)


def _insert(tx: Transaction, run_id: str, config: TrainConfig, paths: RunPaths, place: Mapping[str, Any]) -> None:
    request = json.loads(TypeAdapter(RunRequest).dump_json(RunRequest()))
    columns = {
        "id": run_id,
        "config_id": add_config(tx, config),
        "name": paths.name,
        "run_dir": str(paths.run_dir),
        "checkpoint_dir": str(paths.checkpoint_dir),
        "request": request,
        "epochs": config.epochs,
        "tags": [],
        "state": RunState.STOPPED,
        "created_at": tx.now,
    }
    tx.connection.execute(insert(Run).values(**columns, **place))


def _finish(
    tx: Transaction, run_id: str, attempts: Sequence[AdoptedAttempt], metrics: Mapping[str, Any] | None
) -> None:
    state = _STATES.get(attempts[-1].outcome, RunState.FAILED) if attempts else RunState.STOPPED
    times = [(attempt.started_at, attempt.ended_at) for attempt in attempts]
    changes: dict[str, Any] = {
        "state": state,
        "metrics": dict(metrics) if metrics else None,
        "run_time_s": sum(max(0.0, end - start) for start, end in times if start is not None and end is not None),
        "started_at": next((start for start, _ in times if start is not None), None),
        "ended_at": next((end for _, end in reversed(times) if end is not None), None),
    }
    if attempts:
        last = attempts[-1]
        changes |= {"attempt": last.attempt, "failure_kind": last.failure_kind, "message": last.message}
        changes |= {"step": last.step, "epoch": last.epoch}
    tx.connection.execute(update(Run).where(Run.id == run_id).values(changes))
    append_event(tx, run_id, attempts[-1].attempt if attempts else 0, "state", new=state, reason="imported")
