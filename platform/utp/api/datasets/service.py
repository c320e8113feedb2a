"""Datasets: registered by their folder, scanned apart, shown image by image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from utp.api.datasets.schemas import (
    ClassBalance,
    ClassCounts,
    Dataset,
    DatasetCreate,
    DatasetPage,
    DatasetProblem,
    DatasetSplit,
    DatasetVersion,
    Sample,
    SamplePage,
    Scan,
    ScanState,
)
from utp.api.files.opening import open_beneath
from utp.api.paging import PageRequest, cut_page, page_in_memory, wrong_cursor
from utp.api.schemas import to_time
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.config.naming import dataset_name
from utp.config.paths import as_configured, dataset_root
from utp.errors import DatasetError
from utp.store.errors import NotFound
from utp.store.recorder.creation import CreationKey
from utp.store.repositories.datasets import DatasetRepository, DatasetRow, ScanRow
from utp.store.repositories.project_overviews import ProjectOverviews
from utp.store.sample_index import IndexedSample, SampleIndex, index_path

SILENT = "the scanner ended without a word; scan again"
SORTS = {"name": lambda row: row.name, "created_at": lambda row: row.created_at}


class DatasetService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal
        self._datasets = DatasetRepository(services.database)

    def list_datasets(self, project_id: str, page: PageRequest) -> DatasetPage:
        """Return what a project has registered or trained on."""
        self._principal.require(project_id, Action.READ)
        ProjectOverviews(self._services.database).check_exists(project_id)
        rows = self._datasets.list_of_project(project_id)
        if page.q:
            rows = [row for row in rows if page.q.lower() in f"{row.names[project_id]} {row.root}".lower()]
        items, cursor = page_in_memory(rows, page, SORTS, "name", lambda row: row.id)
        return DatasetPage(
            items=[self._to_dataset(row, project_id) for row in items], next_cursor=cursor, total=len(rows)
        )

    def register(self, project_id: str, asked: DatasetCreate, creation: CreationKey | None) -> Dataset:
        """Register a folder with a project; its scan is begun by `scan`.

        Raises:
            PathRefused: it leads outside DATASETS_DIR.
            DatasetError: it is no folder.
            Conflict: the project has it already.
        """
        self._principal.require(project_id, Action.WRITE)
        ProjectOverviews(self._services.database).check_exists(project_id)
        root = dataset_root(asked.root, self._services.settings)
        if not root.is_dir():
            raise DatasetError(asked.root, "is no folder; name one that the server sees")
        name = asked.name or dataset_name(root)
        dataset_id = self._services.recorder.add_dataset(
            project_id, str(root), name, by=self._principal.name, creation=creation
        )
        return self._to_dataset(self._datasets.get(dataset_id), project_id)

    def get(self, dataset_id: str) -> Dataset:
        """Return one dataset. Raises `NotFound`."""
        row, project_id = self._find(dataset_id)
        return self._to_dataset(row, project_id)

    def remove(self, dataset_id: str) -> None:
        """Take it out of the projects that the principal sees; no file is touched. Raises `NotFound`, `Forbidden`."""
        row, project_id = self._find(dataset_id)
        self._principal.require(project_id, Action.WRITE)
        seen = [one for one in row.names if self._principal.can(one, Action.WRITE)]
        is_everywhere = self._principal.project_ids is None
        self._services.recorder.remove_dataset(dataset_id, None if is_everywhere else seen)

    def scan(self, dataset_id: str) -> Dataset:
        """Begin a scan; one that is under way goes on. Raises `NotFound`, `Forbidden`, `Conflict`."""
        _, project_id = self._find(dataset_id)
        self._principal.require(project_id, Action.WRITE)
        token = self._services.recorder.begin_scan(dataset_id)
        if token is not None:
            try:
                self._services.scans.start(dataset_id, token)
            except OSError as error:
                self._services.recorder.end_scan(dataset_id, token, message=f"the scanner can't be started: {error}")
        return self.get(dataset_id)

    def balance(self, dataset_id: str) -> ClassBalance:
        """Return images by class and split, as the newest finished scan found them."""
        row, _ = self._find(dataset_id)
        classes: Mapping[str, Mapping[str, int]] = _report(row).get("classes", {})
        trained = [counts["train"] for counts in classes.values() if counts.get("train")]
        return ClassBalance(
            items=[ClassCounts(label=label, counts=dict(counts)) for label, counts in classes.items()],
            imbalance_ratio=max(trained) / min(trained) if trained else None,
        )

    def list_samples(self, dataset_id: str, page: PageRequest, *, split: str | None, label: str | None) -> SamplePage:
        """Return images. Raises `NotFound`, `Conflict` before the first scan."""
        self._find(dataset_id)
        last = page.after(1)
        if last is not None and not isinstance(last[0], int):
            raise wrong_cursor(page.cursor)
        after = last[0] if last else 0
        found = self._index(dataset_id).page(split=split, label=label, after=after, limit=page.limit + 1)
        samples, cursor = cut_page(found, page.limit, lambda one: (one.number,))
        return SamplePage(items=[_to_sample(one, dataset_id) for one in samples], next_cursor=cursor)

    def open_sample(self, dataset_id: str, sample_id: str) -> tuple[BinaryIO, str]:
        """Open an image; return it with its path. Raises `NotFound`, `FileRefused`, `Conflict`."""
        row, _ = self._find(dataset_id)
        path = self._index(dataset_id).get(sample_id).path
        return open_beneath(Path(row.root), path, may_be_link=True), path

    def _index(self, dataset_id: str) -> SampleIndex:
        return SampleIndex(index_path(self._services.settings.cache_dir, dataset_id))

    def _find(self, dataset_id: str) -> tuple[DatasetRow, str]:
        """Return a dataset and one of its projects that the principal sees."""
        row = self._datasets.get(dataset_id)
        seen = [project_id for project_id in row.names if self._principal.can(project_id, Action.READ)]
        if not seen:
            raise NotFound("dataset", dataset_id)
        return row, seen[0]

    def _to_dataset(self, row: DatasetRow, project_id: str) -> Dataset:
        return _to_dataset(row, project_id, as_configured(Path(row.root), self._services.settings))


def _report(row: DatasetRow) -> Mapping[str, Any]:
    return row.scan.report or {} if row.scan is not None else {}


def _to_dataset(row: DatasetRow, project_id: str, root: str) -> Dataset:
    report = _report(row)
    splits = [DatasetSplit(**one) for one in report.get("splits", [])]
    version = next((one for one in row.versions if row.scan and one.id == row.scan.version_id), None)
    return Dataset(
        id=row.id,
        project_id=project_id,
        name=row.names.get(project_id, row.name),
        root=root,
        fingerprint=version.fingerprint if version else None,
        scanned_at=to_time(row.scan.ended_at) if row.scan and row.scan.state == ScanState.DONE else None,
        scan=_to_scan(row.scan),
        num_classes=len(report.get("classes", {})),
        num_images=sum(one.num_images for one in splits),
        size_bytes=sum(one.size_bytes for one in splits),
        splits=splits,
        versions=[
            DatasetVersion(id=one.id, fingerprint=one.fingerprint, created_at=to_time(one.created_at))
            for one in row.versions
        ],
        problems=[DatasetProblem(**one) for one in report.get("problems", [])],
    )


def _to_scan(scan: ScanRow | None) -> Scan:
    if scan is None:
        return Scan(state=ScanState.NONE, num_seen=0, num_total=None, message="")
    state = ScanState.FAILED if scan.is_silent else ScanState(scan.state)
    message = SILENT if scan.is_silent else scan.message
    return Scan(state=state, num_seen=scan.num_seen, num_total=scan.num_total, message=message)


def _to_sample(one: IndexedSample, dataset_id: str) -> Sample:
    return Sample(
        id=one.sample_id,
        split=one.split,
        label=one.label.encode(errors="backslashreplace").decode(),
        path=one.path.encode(errors="backslashreplace").decode(),
        width=one.width,
        height=one.height,
        size_bytes=one.size_bytes,
        thumbnail_url=f"/api/v1/datasets/{dataset_id}/thumbnails/{quote(one.sample_id)}?size=160",
    )
