"""What people tidy away: archiving and deleting runs, projects."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from utp.store.database import Transaction
from utp.store.errors import IllegalMove, RunNotFound
from utp.store.ids import new_id
from utp.store.recorder.writer import Writer, append_event, find_run
from utp.store.states import LIVE
from utp.store.tables.checkpoint import Checkpoint
from utp.store.tables.metric_series import MetricSeries
from utp.store.tables.project import Project
from utp.store.tables.run import Run
from utp.store.tables.run_event import RunEvent


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """What goes with a run."""

    run_id: str
    name: str
    directories: Sequence[str]
    num_files: int
    size_bytes: int
    """Of the disk, a file with several names once."""
    num_checkpoints: int
    num_points: int


class HousekeepingWriter(Writer):
    """Archives and deletes."""

    def archive(self, run_id: str, *, is_archived: bool = True) -> None:
        """Hide a run from lists, or show it again. Raises `RunNotFound`."""

        def work(tx: Transaction) -> None:
            found = find_run(tx, run_id)
            change = update(Run).where(Run.id == run_id, Run.archived_at.is_(None) == is_archived)
            if tx.connection.execute(change.values(archived_at=tx.now if is_archived else None)).rowcount:
                append_event(tx, run_id, found.attempt, "changed", data={"is_archived": is_archived})

        self._database.write(work)

    def plan_deletion(self, run_id: str) -> Deletion:
        """Say what `delete_run` would remove; changes nothing. Raises `RunNotFound`."""
        num_checkpoints = select(func.count()).select_from(Checkpoint).where(Checkpoint.run_id == run_id)
        num_points = select(func.coalesce(func.sum(MetricSeries.num_hot + MetricSeries.num_folded), 0))
        with self._database.read() as connection:
            query = select(Run.name, Run.run_dir, Run.checkpoint_dir).where(Run.id == run_id)
            run = connection.execute(query).first()
            if run is None:
                raise RunNotFound(run_id)
            rows = {
                "num_checkpoints": connection.execute(num_checkpoints).scalar_one(),
                "num_points": connection.execute(num_points.where(MetricSeries.run_id == run_id)).scalar_one(),
            }
        directories = tuple(one for one in (run.run_dir, run.checkpoint_dir) if Path(one).is_dir())
        num_files, size_bytes = _measure(directories)  # takes long, so outside the transaction
        sizes = {"num_files": num_files, "size_bytes": size_bytes}
        return Deletion(run_id=run_id, name=run.name, directories=directories, **sizes, **rows)

    def delete_run(self, run_id: str) -> Deletion:
        """Remove a run: its directories, then its rows; what was cut off half-way is finished by the next call.

        Raises:
            IllegalMove: an attempt is under way.
            OSError: a directory can't be removed; the run stays, and can't be started again.
        """
        deletion = self.plan_deletion(run_id)
        self._database.write(lambda tx: _lock_for_deletion(tx, run_id))
        for directory in deletion.directories:
            _remove(Path(directory))
        self._database.write(lambda tx: _delete_rows(tx, deletion))
        return deletion

    def set_project(
        self, name: str, *, description: str | None = None, max_gpus: int | None = None, is_unlimited: bool = False
    ) -> str:
        """Add a project, or change what is given of it; return its id. `is_unlimited` takes its limit of GPUs away."""

        def work(tx: Transaction) -> str:
            project_id = tx.connection.scalar(select(Project.id).where(Project.name == name))
            if project_id is None:
                project_id = new_id()
                tx.connection.execute(insert(Project).values(id=project_id, name=name, created_at=tx.now))
            given = {"description": description, "max_gpus": max_gpus}
            changes: dict[str, Any] = {column: value for column, value in given.items() if value is not None}
            if is_unlimited:
                changes["max_gpus"] = None
            if changes:
                tx.connection.execute(update(Project).where(Project.id == project_id).values(changes))
            return project_id

        return self._database.write(work)


def _lock_for_deletion(tx: Transaction, run_id: str) -> None:
    found = find_run(tx, run_id)
    if found.state in LIVE:
        raise IllegalMove(run_id, found.state, "be deleted", "stop it first")
    tx.connection.execute(update(Run).where(Run.id == run_id).values(deleted_at=tx.now))
    append_event(tx, run_id, found.attempt, "changed", data={"fields": ["deleted_at"]})  # it leaves all lists


def _delete_rows(tx: Transaction, deletion: Deletion) -> None:
    run_id = deletion.run_id
    if not tx.connection.execute(delete(Run).where(Run.id == run_id)).rowcount:
        return
    tx.connection.execute(delete(RunEvent).where(RunEvent.run_id == run_id))
    append_event(tx, run_id, 0, "deleted", data={"name": deletion.name, "size_bytes": deletion.size_bytes})


def _remove(directory: Path) -> None:
    """Remove a folder with all below it, where somebody else may be doing the same."""
    while directory.is_dir():
        with suppress(FileNotFoundError):
            shutil.rmtree(directory)


def _measure(directories: Sequence[str]) -> tuple[int, int]:
    """Count the files below, and the bytes of disk they take."""
    sizes: dict[tuple[int, int], int] = {}
    num_files = 0
    for directory in directories:
        for folder, _, names in os.walk(directory):
            for name in names:
                try:
                    status = Path(folder, name).lstat()
                except FileNotFoundError:
                    continue  # of a run that goes on, which has just renamed or pruned it
                sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
                num_files += 1
    return num_files, sum(sizes.values())
