"""The manifest: which images a dataset holds, under one class map, with an identity that outlives its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from utp.core.data.content_hashes import hash_files
from utp.core.data.folders import Listing, list_images
from utp.errors import ConfigError, DatasetError

_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a split."""

    path: str
    """Relative to the dataset root, with `/`."""

    class_index: int
    """Into `Manifest.classes`."""

    sample_id: str
    """Hash of content and path, hex: the same image at the same place keeps it, on every machine."""

    size_bytes: int
    content_hash: str
    """Hash of the file's bytes alone, hex: equal for copies."""


@dataclass(frozen=True)
class Manifest:
    """A dataset as it was found: classes in index order, samples by split, and what is odd about it."""

    root: Path
    classes: tuple[str, ...]
    splits: Mapping[str, tuple[Sample, ...]]
    fingerprint: str
    """Over classes, paths and contents; independent of where the root lies and of the files' times."""

    warnings: tuple[str, ...] = ()


def scan_dataset(
    root: Path,
    *,
    mount: Path | None = None,
    label_map: Mapping[str, int] | None = None,
    cache_dir: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Read `ROOT/{train,val,test}/CLASS/*` and hash every image; `test` may be absent.

    Args:
        mount: what links may not lead out of, DATASETS_DIR; none where any user may read anything.
        label_map: class name to index, naming exactly train's classes; none means train's sorted folders.
        cache_dir: keeps hashes between scans, so that only new and changed files are read.
        on_progress: told (done, total) files.

    Raises:
        DatasetError: the folder can't be trained on; says what is wrong where, and the way out.
    """
    root = root.resolve()
    listing = list_images(root, mount)
    classes = _class_order(root, listing, label_map)
    hashes = hash_files(root, [image.path for image in listing.images], cache_dir, on_progress)
    index = {name: position for position, name in enumerate(classes)}
    splits: dict[str, list[Sample]] = {split: [] for split in listing.class_names}
    for image in listing.images:
        content = hashes[image.path]
        sample_id = make_sample_id(content.digest, image.path)
        sample = Sample(image.path, index[image.class_name], sample_id, content.size_bytes, content.digest)
        splits[image.split].append(sample)
    samples = {split: tuple(members) for split, members in splits.items()}
    return Manifest(root, classes, samples, _fingerprint(classes, samples), listing.warnings)


def cap_samples(
    samples: Sequence[Sample],
    classes: Sequence[str],
    max_per_class: int | Sequence[int] | Mapping[str, int],
    data_seed: int,
) -> tuple[Sample, ...]:
    """Keep at most so many samples of each class, in their order.

    Those with the smallest hash of (data_seed, path) stay: images added elsewhere change nothing about the choice.

    Raises:
        ConfigError: a cap for a class that is not there, or another number of caps than of classes.
    """
    limits = _limits(classes, max_per_class)
    ranked: dict[int, list[tuple[str, int]]] = {}
    for position, sample in enumerate(samples):
        rank = _digest(str(data_seed), sample.path)
        ranked.setdefault(sample.class_index, []).append((rank, position))
    kept = sorted(position for index, members in ranked.items() for _, position in sorted(members)[: limits.get(index)])
    return tuple(samples[position] for position in kept)


def _limits(classes: Sequence[str], max_per_class: int | Sequence[int] | Mapping[str, int]) -> dict[int, int]:
    """Cap by class index; a class that is not in it is not capped."""
    field = "max_datapoints_per_class"
    if isinstance(max_per_class, int):
        return dict.fromkeys(range(len(classes)), max_per_class)
    if isinstance(max_per_class, Mapping):
        if unknown := sorted(set(max_per_class) - set(classes)):
            known = ", ".join(classes)
            raise ConfigError((f"{field}: {', '.join(map(repr, unknown))} is no class of train; classes: {known}",))
        return {classes.index(name): limit for name, limit in max_per_class.items()}
    if len(max_per_class) != len(classes):
        problem = (
            f"{field}: has {len(max_per_class)} numbers for {len(classes)} classes; "
            f"give one per class, in this order: {', '.join(classes)}"
        )
        raise ConfigError((problem,))
    return dict(enumerate(max_per_class))


def _class_order(root: Path, listing: Listing, label_map: Mapping[str, int] | None) -> tuple[str, ...]:
    found = listing.class_names["train"]
    if label_map is None:
        return found
    missing = sorted(set(found) - set(label_map))
    added = sorted(set(label_map) - set(found))
    if missing or added:
        parts = [f"does not name {', '.join(map(repr, missing))} of train"] if missing else []
        parts += [f"names {', '.join(map(repr, added))}, which train does not have"] if added else []
        raise DatasetError(
            str(root), f"label_map {' and '.join(parts)}; it must name exactly the class folders of train"
        )
    return tuple(sorted(label_map, key=label_map.__getitem__))


def _fingerprint(classes: Sequence[str], splits: Mapping[str, Sequence[Sample]]) -> str:
    rows = sorted(
        (split, sample.path, classes[sample.class_index], sample.content_hash)
        for split, samples in splits.items()
        for sample in samples
    )
    return _digest(json.dumps([list(classes), rows]))


def make_sample_id(content_hash: str, path: str) -> str:
    """Return what names an image at its place, on every machine."""
    return _digest(content_hash, path)


def _digest(*parts: str) -> str:
    # names of files may hold bytes that are no UTF-8; NUL can't be in a path, so parts can't run together
    data = "\0".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
