"""Datasets with their versions and scans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, union

from utp.store.database import Database
from utp.store.errors import NotFound
from utp.store.recorder.datasets import SCAN_SILENCE_S
from utp.store.tables.dataset import Dataset
from utp.store.tables.dataset_scan import DatasetScan
from utp.store.tables.dataset_version import DatasetVersion
from utp.store.tables.project_dataset import ProjectDataset
from utp.store.tables.run import Run


@dataclass(frozen=True, kw_only=True)
class VersionRow:
    """One content of a dataset."""

    id: str
    fingerprint: str
    created_at: float


@dataclass(frozen=True, kw_only=True)
class ScanRow:
    """The newest scan; times are seconds since 1970, UTC."""

    state: str
    num_seen: int
    num_total: int | None
    message: str
    started_at: float
    ended_at: float | None
    version_id: str | None
    report: Mapping[str, Any] | None
    is_silent: bool
    """Nothing was heard of it for long."""


@dataclass(frozen=True, kw_only=True)
class DatasetRow:
    """One dataset."""

    id: str
    name: str
    root: str
    created_at: float
    names: Mapping[str, str]
    """What each project calls it, by the project's id; those whose runs read it are among them."""
    versions: Sequence[VersionRow]
    """The newest first."""
    scan: ScanRow | None


class DatasetRepository:
    """Queries over datasets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_of_project(self, project_id: str) -> list[DatasetRow]:
        """Return the datasets that a project has registered or trained on, by name."""
        registered = select(ProjectDataset.dataset_id).where(ProjectDataset.project_id == project_id)
        used = select(Run.dataset_id).where(Run.project_id == project_id, Run.dataset_id.is_not(None))
        with self._database.read() as connection:
            ids = [str(one) for one in connection.scalars(union(registered, used))]
            return sorted(self._read(connection, ids), key=lambda row: row.name)

    def get(self, dataset_id: str) -> DatasetRow:
        """Return one dataset. Raises `NotFound`."""
        with self._database.read() as connection:
            rows = self._read(connection, [dataset_id])
        if not rows:
            raise NotFound("dataset", dataset_id)
        return rows[0]

    def _read(self, connection: Connection, ids: Sequence[str]) -> list[DatasetRow]:
        now = self._database.now(connection)
        query = select(Dataset.id, Dataset.name, Dataset.root, Dataset.created_at).where(Dataset.id.in_(ids))
        names, versions, scans = _read_names(connection, ids), _read_versions(connection, ids), {}
        for row in connection.execute(select(DatasetScan.__table__).where(DatasetScan.dataset_id.in_(ids))).mappings():
            is_silent = row["state"] == "running" and row["beat_at"] < now - SCAN_SILENCE_S
            values = {name: row[name] for name in ScanRow.__dataclass_fields__ if name != "is_silent"}
            scans[row["dataset_id"]] = ScanRow(**values, is_silent=is_silent)
        return [
            DatasetRow(**row, names=names[row["id"]], versions=versions[row["id"]], scan=scans.get(row["id"]))
            for row in connection.execute(query).mappings()
        ]


def _read_names(connection: Connection, ids: Sequence[str]) -> Mapping[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = defaultdict(dict)
    used = select(Run.dataset_id, Run.project_id, Dataset.name).join(Dataset, Dataset.id == Run.dataset_id)
    for dataset_id, project_id, name in connection.execute(used.where(Run.dataset_id.in_(ids)).distinct()):
        names[str(dataset_id)][project_id] = name
    own = select(ProjectDataset.dataset_id, ProjectDataset.project_id, ProjectDataset.name)
    for dataset_id, project_id, name in connection.execute(own.where(ProjectDataset.dataset_id.in_(ids))):
        names[dataset_id][project_id] = name
    return names


def _read_versions(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[VersionRow]]:
    versions: dict[str, list[VersionRow]] = defaultdict(list)
    columns = [getattr(DatasetVersion, name) for name in VersionRow.__dataclass_fields__]
    query = select(DatasetVersion.dataset_id, *columns).where(DatasetVersion.dataset_id.in_(ids))
    for row in connection.execute(query.order_by(DatasetVersion.created_at.desc())).mappings():
        versions[row["dataset_id"]].append(VersionRow(**{name: row[name] for name in VersionRow.__dataclass_fields__}))
    return versions
