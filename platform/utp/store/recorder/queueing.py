"""From a config to a queued run with its name and directories, and what a person may change about a run that waits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import insert, or_, select, update

from utp.config.loading import config_hash, dump_config
from utp.config.naming import dataset_name, reserve_run
from utp.config.paths import RunPaths, dataset_root
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.settings import Settings
from utp.store.database import Transaction
from utp.store.errors import IllegalMove, KeyReused, NotFound, RunNotFound
from utp.store.ids import new_id
from utp.store.policy import START_LEASE_S
from utp.store.recorder.creation import CreationKey, once
from utp.store.recorder.writer import Writer, append_event, find_run, move
from utp.store.states import RunState, Wish
from utp.store.tables.config import Config
from utp.store.tables.dataset import Dataset
from utp.store.tables.experiment_group import ExperimentGroup
from utp.store.tables.job import Job
from utp.store.tables.project import Project
from utp.store.tables.run import Run

OF_RUNS = ""
"""Object of a key that runs were queued with: each run holds it itself."""
_REQUEST = TypeAdapter(RunRequest)
_RETRY_FROM = (RunState.FAILED, RunState.STOPPED)
_RESUME_FROM = (RunState.PAUSED, RunState.STOPPED, RunState.FAILED)


@dataclass(frozen=True, kw_only=True)
class QueuedRun:
    """A run that has its name."""

    id: str
    name: str
    run_dir: str
    checkpoint_dir: str


@dataclass(frozen=True, kw_only=True)
class RunOrigin:
    """What a run was made of, beside its config."""

    saved_config_id: str | None = None
    parent_run_id: str | None = None
    """Run that it is a clone of."""


@dataclass(frozen=True, kw_only=True)
class RunHome:
    """Project and group of a run by their ids, where they are known: names may change meanwhile."""

    project_id: str
    group_id: str | None = None


@dataclass
class _NewRun:
    """What was asked for, and the directories made for it so far; kept over the tries of the transaction."""

    config: TrainConfig
    request: RunRequest
    project: str
    owner: str
    group: str | None
    tags: Sequence[str]
    settings: Settings
    origin: RunOrigin
    home: RunHome | None = None
    """In place of the names of project and group."""
    id: str = field(default_factory=new_id)
    made: list[RunPaths] = field(default_factory=list)


class QueueWriter(Writer):
    """Puts runs into the queue."""

    def queue_run(
        self,
        config: TrainConfig,
        request: RunRequest,
        *,
        project: str = "default",
        owner: str = "",
        group: str | None = None,
        tags: Sequence[str] = (),
        idempotency_key: str | None = None,
        origin: RunOrigin | None = None,
        home: RunHome | None = None,
        settings: Settings,
    ) -> QueuedRun:
        """Reserve a name and directories and queue the run; with a key already used, return that run.

        A project or a group of a name that there is not is added; one of an id has to be there.

        Raises:
            NotFound: the project or the group of `home` is gone.
            KeyReused: the key came with another config before.
            PathRefused: a root of the config leads outside its mount.
        """
        new = _NewRun(config, request, project, owner, group, tags, settings, origin or RunOrigin(), home)

        def work(tx: Transaction) -> QueuedRun:
            if idempotency_key is not None and (known := _find_by_key(tx, idempotency_key, config)):
                return known
            queued = _insert_run(tx, new, state=RunState.QUEUED, attempt=0, idempotency_key=idempotency_key)
            seq = append_event(tx, queued.id, 0, "state", new=RunState.QUEUED, reason="queued")
            place = {"queued_seq": seq, "queued_at": tx.now}
            tx.connection.execute(update(Run).where(Run.id == queued.id).values(place))
            return queued

        return self._write_with_directories(new, work)

    def claim_key(self, creation: CreationKey) -> None:
        """Note what a key stands for, before runs are queued with it. Raises `Conflict` for another request."""
        self._database.write(lambda tx: once(tx, creation, lambda: OF_RUNS))

    def register_job(
        self,
        config: TrainConfig,
        request: RunRequest,
        submission_id: str,
        *,
        project: str = "default",
        owner: str = "",
        group: str | None = None,
        tags: Sequence[str] = (),
        settings: Settings,
    ) -> QueuedRun:
        """Record a job that somebody gave to Ray directly as attempt 1 of a new run; the same job gets the same run."""
        new = _NewRun(config, request, project, owner, group, tags, settings, RunOrigin())

        def work(tx: Transaction) -> QueuedRun:
            known = tx.connection.scalar(select(Job.run_id).where(Job.submission_id == submission_id))
            if known is not None:
                return _read_queued(tx, known)
            queued = _insert_run(tx, new, state=RunState.STARTING, attempt=1, started_at=tx.now)
            job = {"run_id": queued.id, "attempt": 1, "submission_id": submission_id}
            times = {"created_at": tx.now, "submitted_at": tx.now, "lease_until": tx.now + START_LEASE_S}
            tx.connection.execute(insert(Job).values(**job, **times))
            append_event(tx, queued.id, 1, "state", new=RunState.STARTING, reason=f"submitted as {submission_id}")
            return queued

        return self._write_with_directories(new, work)

    def retry(self, run_id: str) -> RunState:
        """Queue a failed or stopped run again, as a new attempt with all its retries. Raises `IllegalMove`."""
        return self._requeue(run_id, _RETRY_FROM, "retry")

    def resume(self, run_id: str) -> RunState:
        """Queue a paused, stopped or failed run again; it goes on from its last checkpoint. Raises `IllegalMove`."""
        return self._requeue(run_id, _RESUME_FROM, "resume")

    def set_priority(self, run_id: str, priority: int) -> None:
        """Change how urgent a run is; `config.request.PRIORITIES` bounds it. Raises `RunNotFound`."""

        def work(tx: Transaction) -> None:
            found = find_run(tx, run_id)
            tx.connection.execute(update(Run).where(Run.id == run_id).values(priority=priority))
            append_event(tx, run_id, found.attempt, "changed", data={"priority": priority})

        self._database.write(work)

    def _requeue(self, run_id: str, allowed: Sequence[RunState], wanted: str) -> RunState:
        def work(tx: Transaction) -> RunState:
            found = find_run(tx, run_id)
            if found.state is RunState.QUEUED:
                return found.state
            if found.state not in allowed:
                raise IllegalMove(run_id, found.state, wanted, _way_out(found.state))
            cleared = {"wish": Wish.NONE, "wished_by": "", "retries": 0, "not_before": None, "ended_at": None}
            if not move(
                tx, run_id, found.state, RunState.QUEUED, attempt=found.attempt, reason=wanted, changes=cleared
            ):
                raise RunNotFound(run_id)  # it is being deleted
            return RunState.QUEUED

        return self._database.write(work)

    def _write_with_directories(self, new: _NewRun, work: Any) -> QueuedRun:
        """Run the transaction; directories that no row points to are removed again."""
        queued: QueuedRun | None = None
        try:
            queued = self._database.write(work)
        finally:
            _release(paths for paths in new.made if queued is None or str(paths.run_dir) != queued.run_dir)
        return queued


def _insert_run(tx: Transaction, new: _NewRun, **columns: Any) -> QueuedRun:
    if tx.connection.scalar(select(Run.id).where(Run.id == new.id)):
        return _read_queued(tx, new.id)  # the first try was committed, its answer was lost
    home = _find_home(tx, new)
    paths = _reserve(tx, new)
    run = {
        "id": new.id,
        "project_id": home.project_id,
        "group_id": home.group_id,
        "config_id": add_config(tx, new.config),
        "dataset_id": _add_dataset(tx, new),
        "owner": new.owner,
        "name": paths.name,
        "run_dir": str(paths.run_dir),
        "checkpoint_dir": str(paths.checkpoint_dir),
        "request": _REQUEST.dump_python(new.request, mode="json"),
        "priority": new.request.priority,
        "epochs": new.config.epochs,
        "tags": list(new.tags),
        "saved_config_id": new.origin.saved_config_id,
        "parent_run_id": new.origin.parent_run_id,
        "created_at": tx.now,
    }
    tx.connection.execute(insert(Run).values(**run, **columns))
    return _read_queued(tx, new.id)


def _find_home(tx: Transaction, new: _NewRun) -> RunHome:
    if new.home is None:
        project_id = get_or_add(tx, Project, name=new.project)
        group_id = get_or_add(tx, ExperimentGroup, project_id=project_id, name=new.group) if new.group else None
        return RunHome(project_id=project_id, group_id=group_id)
    project_id, group_id = new.home.project_id, new.home.group_id
    if tx.connection.scalar(select(Project.id).where(Project.id == project_id)) is None:
        raise NotFound("project", project_id)
    mine = (ExperimentGroup.id == group_id, ExperimentGroup.project_id == project_id)
    if group_id is not None and tx.connection.scalar(select(ExperimentGroup.id).where(*mine)) is None:
        raise NotFound("group", group_id)
    return new.home


def _reserve(tx: Transaction, new: _NewRun) -> RunPaths:
    """Make the directories under a name that no row has, not even one whose directories were removed by hand."""
    _release(new.made)
    new.made.clear()
    while True:
        paths = reserve_run(new.config, new.settings)
        new.made.append(paths)
        taken = or_(Run.run_dir == str(paths.run_dir), Run.checkpoint_dir == str(paths.checkpoint_dir))
        if tx.connection.scalar(select(Run.id).where(taken).limit(1)) is None:
            return paths


def _release(reserved: Any) -> None:
    for paths in reserved:
        for directory in (paths.run_dir, paths.checkpoint_dir):
            with suppress(OSError):  # somebody has put a file there: not ours to remove
                directory.rmdir()


def _find_by_key(tx: Transaction, key: str, config: TrainConfig) -> QueuedRun | None:
    query = select(Run.id, Config.hash).join(Config, Config.id == Run.config_id).where(Run.idempotency_key == key)
    found = tx.connection.execute(query).first()
    if found is None:
        return None
    if found.hash != config_hash(config):
        raise KeyReused(key, found.id)
    return _read_queued(tx, found.id)


def _read_queued(tx: Transaction, run_id: str) -> QueuedRun:
    query = select(Run.id, Run.name, Run.run_dir, Run.checkpoint_dir).where(Run.id == run_id)
    return QueuedRun(**tx.connection.execute(query).one()._asdict())


def add_config(tx: Transaction, config: TrainConfig) -> str:
    """Return the id of the row of a config, added if it is new."""
    content = json.dumps(dump_config(config), allow_nan=False)
    return get_or_add(tx, Config, hash=config_hash(config), _content=content)


def _add_dataset(tx: Transaction, new: _NewRun) -> str:
    root = dataset_root(new.config.root, new.settings)
    return get_or_add(tx, Dataset, root=str(root), _name=dataset_name(root))


def get_or_add(tx: Transaction, table: Any, **values: Any) -> str:
    """Return the id of the row with these values; those that begin with `_` are only for a new one."""
    known = [getattr(table, name) == value for name, value in values.items() if not name.startswith("_")]
    found: str | None = tx.connection.scalar(select(table.id).where(*known))
    if found is not None:
        return found
    row = {name.removeprefix("_"): value for name, value in values.items()}
    row_id = new_id()
    tx.connection.execute(insert(table).values(id=row_id, created_at=tx.now, **row))
    return row_id


def _way_out(state: RunState) -> str:
    if state is RunState.SUCCEEDED:
        return "queue a new run with its config"
    return "queue it first" if state is RunState.DRAFT else "wait for its end, or stop it"
