"""Bodies of datasets."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from utp.api.schemas import Answer, Asked, Id, Name, Page, Time


class ScanState(StrEnum):
    """How far the newest scan is."""

    NONE = "none"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ProblemKind(StrEnum):
    """What may be wrong with a dataset."""

    CORRUPT = "corrupt"
    DUPLICATE_ACROSS_SPLITS = "duplicate_across_splits"
    CLASS_MISSING_IN_VAL = "class_missing_in_val"
    CLASS_ONLY_IN_VAL = "class_only_in_val"
    TINY = "tiny"
    EMPTY_CLASS = "empty_class"


class DatasetCreate(Asked):
    """A folder to register."""

    root: Annotated[str, Field(min_length=1, max_length=4095)]
    """`ROOT/{train,val,test}/CLASS/*`, beneath DATASETS_DIR where that is set."""
    name: Name | None = None
    """Left out: the folder's."""


class Scan(Answer):
    """The newest scan."""

    state: ScanState
    num_seen: int
    num_total: int | None
    message: str


class DatasetSplit(Answer):
    """One split."""

    name: str
    num_images: int
    size_bytes: int


class DatasetVersion(Answer):
    """What the folder held at one time."""

    id: Id
    fingerprint: str
    created_at: Time


class DatasetProblem(Answer):
    """One kind of thing that is wrong."""

    kind: ProblemKind
    severity: Literal["error", "warning"]
    message: str
    paths: list[str]
    """The first 20."""
    count: int


class Dataset(Answer):
    """One dataset, as its newest finished scan found it; zeros and empty lists before the first."""

    id: Id
    project_id: Id
    name: str
    root: str
    """As a config names it: beneath DATASETS_DIR where that is set."""
    fingerprint: str | None
    """Null before the first scan, and for what can't be trained on."""
    scanned_at: Time | None
    scan: Scan
    num_classes: int
    num_images: int
    size_bytes: int
    splits: list[DatasetSplit]
    versions: list[DatasetVersion]
    """The newest first."""
    problems: list[DatasetProblem]


class DatasetPage(Page[Dataset]):
    """Datasets of a project."""


class ClassCounts(Answer):
    """One class."""

    label: str
    counts: dict[str, int]
    """By split."""


class ClassBalance(Answer):
    """Images by class and split."""

    items: list[ClassCounts]
    imbalance_ratio: float | None
    """Largest class of train over the smallest that is not empty; null without images."""


class Sample(Answer):
    """One image."""

    id: str
    split: str
    label: str
    path: str
    """Relative to the root."""
    width: int | None
    """Null where the file can't be read."""
    height: int | None
    size_bytes: int
    thumbnail_url: str


class SamplePage(Page[Sample]):
    """Images in the order of split, class and path."""
