"""Reads a whole dataset before it is trained on: corrupt files, copies across splits, classes, sizes."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_low
from typing import Any

from utp.core.data.decode import decode_image
from utp.core.data.manifest import Manifest, Sample, scan_dataset
from utp.core.data.threads import map_in_threads
from utp.errors import CorruptImage


@dataclass(frozen=True)
class CorruptFile:
    """A file that can't be decoded; `path` is relative to the root."""

    path: str
    reason: str


@dataclass(frozen=True)
class SizeRange:
    """Smallest, median and largest of a side, in pixels."""

    minimum: int
    median: int
    maximum: int


@dataclass(frozen=True)
class DatasetReport:
    """What `check_dataset` found."""

    root: str
    fingerprint: str
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    """Images by split and class name, 0 where a split lacks a class."""

    width: SizeRange | None
    """Over all images that decode, upright; none where no image does."""

    height: SizeRange | None
    corrupt: tuple[CorruptFile, ...]
    leaks: tuple[tuple[str, ...], ...]
    """Groups of paths with the same bytes in more than one split: evaluation then measures memory."""

    conflicts: tuple[tuple[str, ...], ...]
    """Groups of paths with the same bytes under more than one class: one of the labels is wrong."""

    warnings: tuple[str, ...]

    @property
    def has_problems(self) -> bool:
        """Whether there is something to mend before training; warnings are not counted."""
        return bool(self.corrupt or self.leaks or self.conflicts)

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values, and the verdict."""
        return {**asdict(self), "has_problems": self.has_problems}


def check_dataset(
    root: Path,
    *,
    cache_dir: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> DatasetReport:
    """Scan the dataset, decode every image and return what was found; `on_progress` is told (done, total) images.

    Raises:
        DatasetError: the folder can't be trained on at all, or a file went away meanwhile.
    """
    manifest = scan_dataset(root, cache_dir=cache_dir)
    samples = [sample for split in manifest.splits.values() for sample in split]
    corrupt, widths, heights = [], [], []
    # Threads suffice: Pillow decodes outside Python's lock.
    results = map_in_threads(lambda sample: _measure(manifest.root, sample), samples, os.cpu_count() or 1)
    for done, result in enumerate(results, start=1):
        if isinstance(result, CorruptFile):
            corrupt.append(result)
        else:
            heights.append(result[0])
            widths.append(result[1])
        if on_progress is not None:
            on_progress(done, len(samples))
    return DatasetReport(
        root=str(manifest.root),
        fingerprint=manifest.fingerprint,
        classes=manifest.classes,
        counts=_counts(manifest),
        width=_size_range(widths),
        height=_size_range(heights),
        corrupt=tuple(corrupt),
        leaks=_copies(manifest, lambda split, _: split),
        conflicts=_copies(manifest, lambda _, sample: sample.class_index),
        warnings=manifest.warnings,
    )


def _measure(root: Path, sample: Sample) -> CorruptFile | tuple[int, int]:
    try:
        _, height, width = decode_image(root / sample.path).shape
    except CorruptImage as error:
        return CorruptFile(sample.path, error.reason)
    return height, width


def _counts(manifest: Manifest) -> dict[str, dict[str, int]]:
    counts = {}
    for split, samples in manifest.splits.items():
        by_class = Counter(sample.class_index for sample in samples)
        counts[split] = {name: by_class[index] for index, name in enumerate(manifest.classes)}
    return counts


def _copies(manifest: Manifest, place: Callable[[str, Sample], object]) -> tuple[tuple[str, ...], ...]:
    """Group the paths of equal files that lie in more than one place."""
    groups: defaultdict[str, list[tuple[object, str]]] = defaultdict(list)
    for split, samples in manifest.splits.items():
        for sample in samples:
            groups[sample.content_hash].append((place(split, sample), sample.path))
    spread = (members for members in groups.values() if len({where for where, _ in members}) > 1)
    return tuple(tuple(path for _, path in members) for members in spread)


def _size_range(sides: list[int]) -> SizeRange | None:
    return SizeRange(min(sides), median_low(sides), max(sides)) if sides else None
