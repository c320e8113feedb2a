"""Looks through a dataset as it is, also one that can't be trained on: every image by its header, and what is wrong.

`check.py` decodes every image and refuses what can't be trained on; this one is for showing a dataset.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from utp.core.data.content_hashes import hash_files
from utp.core.data.folders import SPLITS, list_all_images
from utp.core.data.manifest import make_sample_id
from utp.core.data.threads import map_in_threads
from utp.errors import DatasetError

MAX_PATHS = 20
"""Of a problem that are named."""
MIN_SIDE = 16
"""Pixels: less is no picture that a model could learn from."""
_THREADS = 4


@dataclass(frozen=True, slots=True)
class SurveyedImage:
    """One image file; `path` is relative to the root."""

    split: str
    label: str
    path: str
    sample_id: str
    content_hash: str
    size_bytes: int
    width: int | None
    height: int | None
    fault: str
    """Why its header can't be read; empty where it can."""


@dataclass(frozen=True)
class SurveyProblem:
    """One kind of thing that is wrong."""

    kind: str
    severity: str
    """`error` keeps it from being trained on, or spoils what is measured; `warning` does not."""
    message: str
    paths: Sequence[str]
    """The first of them."""
    count: int


@dataclass(frozen=True)
class Survey:
    """What was found."""

    images: Sequence[SurveyedImage]
    problems: Sequence[SurveyProblem]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of images by class and split."""
        counts: dict[str, dict[str, int]] = {}
        for image in self.images:
            of_class = counts.setdefault(image.label, dict.fromkeys(SPLITS, 0))
            of_class[image.split] += 1
        return dict(sorted(counts.items()))

    def splits(self) -> list[tuple[str, int, int]]:
        """Return name, images and bytes of each split that has any."""
        sizes: dict[str, list[int]] = defaultdict(list)
        for image in self.images:
            sizes[image.split].append(image.size_bytes)
        return [(split, len(sizes[split]), sum(sizes[split])) for split in SPLITS if split in sizes]


def survey_dataset(
    root: Path, cache_dir: Path | None, on_progress: Callable[[int, int], None], mount: Path | None = None
) -> Survey:
    """Read all files and headers of a dataset; `on_progress` is told (done, total) images.

    Links may not lead out of `mount`, where there is one.

    Raises:
        DatasetError: the folder is not there, a file went away, or a link leads out of it.
    """
    root = root.resolve()
    if not root.is_dir():
        raise DatasetError(str(root), "is not there; check root (and DATASETS_DIR, if it is set)")
    files, folders = list_all_images(root, mount)
    total = len(files)
    hashes = hash_files(root, [file.path for file in files], cache_dir, lambda done, _: on_progress(done // 2, total))
    images = []
    headers = map_in_threads(lambda one: _read_header(root / one.path), files, _THREADS)
    for done, (file, header) in enumerate(zip(files, headers, strict=True), start=1):
        content = hashes[file.path]
        sample_id = make_sample_id(content.digest, file.path)
        place = (file.split, file.class_name, file.path, sample_id, content.digest, content.size_bytes)
        images.append(SurveyedImage(*place, *header))
        on_progress((total + done) // 2, total)
    return Survey(images, [*_file_problems(images), *_class_problems(images, folders)])


def _read_header(path: Path) -> tuple[int | None, int | None, str]:
    """Return width, height and no fault, or a fault; of PNGs the checksums are compared too."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            image.verify()
    except Exception as error:  # noqa: BLE001  Pillow's plug-ins raise anything
        return None, None, f"{type(error).__name__}: {error}"
    return width, height, ""


def _file_problems(images: Sequence[SurveyedImage]) -> Iterable[SurveyProblem]:
    corrupt = [image.path for image in images if image.fault]
    yield from _problem("corrupt", "error", "files can't be read as images; replace or delete them", corrupt)
    places: defaultdict[str, list[SurveyedImage]] = defaultdict(list)
    for image in images:
        places[image.content_hash].append(image)
    copies = [one.path for same in places.values() if len({one.split for one in same}) > 1 for one in same]
    said = "files lie in more than one split with the same content: evaluation measures memory; keep one of each"
    yield from _problem("duplicate_across_splits", "error", said, copies)
    tiny = [one.path for one in images if one.width is not None and min(one.width, one.height or 0) < MIN_SIDE]
    yield from _problem("tiny", "warning", f"images have a side below {MIN_SIDE} pixels", tiny)


def _class_problems(images: Sequence[SurveyedImage], folders: Mapping[str, Sequence[str]]) -> Iterable[SurveyProblem]:
    counts = Counter((image.split, image.label) for image in images)
    trained = folders.get("train", ())
    empty = [f"train/{name}" for name in trained if not counts["train", name]]
    yield from _problem("empty_class", "error", "class folders of train hold no image; add some, or remove them", empty)
    missing = [f"val/{name}" for name in trained if not counts["val", name]]
    said = "classes of train have no image in val, so its metrics there say nothing"
    yield from _problem("class_missing_in_val", "warning", said, missing)
    others = [(split, name) for split in ("val", "test") for name in folders.get(split, ()) if counts[split, name]]
    unknown = [f"{split}/{name}" for split, name in others if name not in trained]
    said = "class folders are in val or test and not in train; rename them, or add them to train"
    yield from _problem("class_only_in_val", "error", said, unknown)


def _problem(kind: str, severity: str, message: str, paths: list[str]) -> Iterable[SurveyProblem]:
    if paths:
        shown = [path.encode(errors="backslashreplace").decode() for path in paths[:MAX_PATHS]]
        yield SurveyProblem(kind, severity, f"{len(paths)} {message}", shown, len(paths))
