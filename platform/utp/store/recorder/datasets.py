"""Datasets of projects, and their scans with the progress that every process sees."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from utp.store.database import Transaction
from utp.store.errors import Conflict, NotFound
from utp.store.ids import new_id
from utp.store.recorder.creation import CreationKey, once
from utp.store.recorder.queueing import get_or_add
from utp.store.recorder.writer import Writer
from utp.store.tables.dataset import Dataset
from utp.store.tables.dataset_scan import DatasetScan
from utp.store.tables.dataset_version import DatasetVersion
from utp.store.tables.project_dataset import ProjectDataset
from utp.store.tables.run import Run

MAX_SCANS = 2
"""At once, over all processes: they read every file."""
SCAN_SILENCE_S = 60.0
"""Without a word for so long, a scan has died."""


class DatasetWriter(Writer):
    """Registers datasets and keeps their scans."""

    def add_dataset(
        self, project_id: str, root: str, name: str, *, by: str = "", creation: CreationKey | None = None
    ) -> str:
        """Register a folder with a project; return the id that the folder has in all projects.

        Raises:
            Conflict: the project has it already.
        """

        def create(tx: Transaction) -> str:
            dataset_id = get_or_add(tx, Dataset, root=root, _name=name)
            link = {"project_id": project_id, "dataset_id": dataset_id}
            mine = (ProjectDataset.project_id == project_id, ProjectDataset.dataset_id == dataset_id)
            if tx.connection.scalar(select(ProjectDataset.name).where(*mine)) is not None:
                raise Conflict(f"the project has the dataset {root} already", "use that one")
            tx.connection.execute(insert(ProjectDataset).values(**link, name=name, created_by=by, created_at=tx.now))
            return dataset_id

        return self._database.write(lambda tx: once(tx, creation, lambda: create(tx)))

    def remove_dataset(self, dataset_id: str, project_ids: Collection[str] | None) -> None:
        """Take a dataset out of these projects (None: of all); its row stays while a project or a run needs it."""

        def work(tx: Transaction) -> None:
            gone = delete(ProjectDataset).where(ProjectDataset.dataset_id == dataset_id)
            if project_ids is not None:
                gone = gone.where(ProjectDataset.project_id.in_(project_ids))
            tx.connection.execute(gone)
            for table in (ProjectDataset, Run):
                if tx.connection.scalar(select(func.count()).where(table.dataset_id == dataset_id)):
                    return
            tx.connection.execute(delete(DatasetScan).where(DatasetScan.dataset_id == dataset_id))
            tx.connection.execute(delete(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id))
            tx.connection.execute(delete(Dataset).where(Dataset.id == dataset_id))

        self._database.write(work)

    def begin_scan(self, dataset_id: str) -> str | None:
        """Claim the scan of a dataset; return the claim, or None while one is under way.

        Raises:
            NotFound: there is no such dataset.
            Conflict: too many scans are under way.
        """

        def work(tx: Transaction) -> str | None:
            if tx.connection.scalar(select(Dataset.id).where(Dataset.id == dataset_id)) is None:
                raise NotFound("dataset", dataset_id)
            live = (DatasetScan.state == "running", DatasetScan.beat_at > tx.now - SCAN_SILENCE_S)
            running = set(tx.connection.scalars(select(DatasetScan.dataset_id).where(*live)))
            if dataset_id in running:
                return None
            if len(running) >= MAX_SCANS:
                raise Conflict(f"{len(running)} datasets are being scanned", "wait until one of them is done")
            old = tx.connection.execute(select(DatasetScan.version_id, DatasetScan.report).where(_of(dataset_id)))
            kept: Mapping[str, Any] = dict(old.mappings().first() or {})
            tx.connection.execute(delete(DatasetScan).where(_of(dataset_id)))
            row = {"dataset_id": dataset_id, "token": new_id(), "state": "running", "message": "waits to be started"}
            times = {"started_at": tx.now, "beat_at": tx.now}
            tx.connection.execute(insert(DatasetScan).values(**row, **times, **kept))
            return row["token"]

        return self._database.write(work)

    def beat_scan(self, dataset_id: str, token: str, *, num_seen: int, num_total: int, message: str) -> bool:
        """Say how far a scan is; False where another has taken its place."""

        def work(tx: Transaction) -> bool:
            news = {"num_seen": num_seen, "num_total": num_total, "message": message, "beat_at": tx.now}
            change = update(DatasetScan).where(_of(dataset_id), DatasetScan.token == token)
            return bool(tx.connection.execute(change.values(news)).rowcount)

        return self._database.write(work)

    def end_scan(
        self,
        dataset_id: str,
        token: str,
        *,
        message: str,
        report: Mapping[str, Any] | None = None,
        fingerprint: str | None = None,
        summary: Mapping[str, Any] | None = None,
    ) -> None:
        """Record what a scan found, or (without a report) why it failed; one that was superseded writes nothing.

        Args:
            dataset_id: of the dataset.
            token: of the claim.
            message: one sentence.
            report: counts, sizes and problems.
            fingerprint: of its content, where it can be trained on.
            summary: for the version with that fingerprint.
        """

        def work(tx: Transaction) -> None:
            mine = (_of(dataset_id), DatasetScan.token == token)
            if tx.connection.scalar(select(DatasetScan.token).where(*mine)) is None:
                return
            changes: dict[str, Any] = {"state": "failed", "message": message, "ended_at": tx.now, "beat_at": tx.now}
            if report is not None:
                version = _find_version(tx, dataset_id, fingerprint, summary or {}) if fingerprint else None
                changes |= {"state": "done", "report": dict(report), "version_id": version}
                changes["num_seen"] = func.coalesce(DatasetScan.num_total, DatasetScan.num_seen)
            tx.connection.execute(update(DatasetScan).where(*mine).values(changes))

        self._database.write(work)


def _of(dataset_id: str) -> Any:
    return DatasetScan.dataset_id == dataset_id


def _find_version(tx: Transaction, dataset_id: str, fingerprint: str, summary: Mapping[str, Any]) -> str:
    alike = (DatasetVersion.dataset_id == dataset_id, DatasetVersion.fingerprint == fingerprint)
    known: str | None = tx.connection.scalar(select(DatasetVersion.id).where(*alike))
    if known is not None:
        return known
    row = {"id": new_id(), "dataset_id": dataset_id, "fingerprint": fingerprint, "summary": dict(summary)}
    tx.connection.execute(insert(DatasetVersion).values(**row, created_at=tx.now))
    return str(row["id"])
