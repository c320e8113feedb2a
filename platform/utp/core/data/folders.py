"""Walks `ROOT/{train,val,test}/CLASS/**` and refuses what can't be trained on, by name and with the way out."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from utp.errors import DatasetError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
SPLITS = ("train", "val", "test")
LAYOUT = "the layout is ROOT/train/CLASS/*.jpg, ROOT/val/CLASS/*.jpg and, if there is one, ROOT/test/CLASS/*.jpg"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image file: its split, its class folder, and its path relative to the root, with `/`."""

    split: str
    class_name: str
    path: str


@dataclass(frozen=True)
class Listing:
    """What was found: images in order of split, class and path, and the class names of each split."""

    images: tuple[ImageFile, ...]
    class_names: dict[str, tuple[str, ...]]
    """By split, sorted; train's are those of the dataset, the others' are those with images."""

    warnings: tuple[str, ...]


def list_images(root: Path) -> Listing:
    """List the images of all splits. Raises `DatasetError`; `root` must be resolved."""
    _check_layout(root)
    walk = _Walk(root)
    images = walk.all_splits()
    counts: dict[str, Counter[str]] = {split: Counter() for split in walk.class_folders}
    for image in images:
        counts[image.split][image.class_name] += 1
    _check_classes(root, walk, counts)
    warnings = [*walk.warnings(), *_missing_from_val(counts)]
    if "test" in counts and not counts["test"]:
        warnings.append("test holds no images in class folders and is not used")
        del counts["test"]
    return Listing(tuple(images), {split: tuple(sorted(found)) for split, found in counts.items()}, tuple(warnings))


def list_all_images(root: Path) -> tuple[list[ImageFile], dict[str, tuple[str, ...]]]:
    """Return the images of all splits and the class folders of each, be it a dataset to train on or not.

    Raises `DatasetError` only for links that lead astray; `root` must be resolved.
    """
    walk = _Walk(root)
    return walk.all_splits(), walk.class_folders


def is_image(name: str) -> bool:
    """Whether a file's name ends like an image's."""
    return Path(name).suffix.lower() in EXTENSIONS


class _Walk:
    """Goes through one dataset; remembers what it left out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.class_folders: dict[str, tuple[str, ...]] = {}
        self.loose_images: Counter[str] = Counter()
        self.other_files: Counter[str] = Counter()

    def all_splits(self) -> list[ImageFile]:
        """Return the images of the splits that are there."""
        return [image for split in SPLITS if (self.root / split).is_dir() for image in self.split(split)]

    def split(self, split: str) -> Iterator[ImageFile]:
        """Yield the images in the class folders of a split."""
        folder = self.root / split
        self._check_link(folder)
        entries = _entries(folder)
        self.loose_images[split] += sum(not entry.is_dir() and is_image(entry.name) for entry in entries)
        folders = [entry for entry in entries if entry.is_dir()]
        self.class_folders[split] = tuple(entry.name for entry in folders)
        for entry in folders:
            for path in self._files(Path(entry.path)):
                yield ImageFile(split, entry.name, path.relative_to(self.root).as_posix())

    def _files(self, folder: Path) -> Iterator[Path]:
        self._check_link(folder)
        for entry in _entries(folder):
            path = Path(entry.path)
            if entry.is_dir():
                yield from self._files(path)
            elif not is_image(entry.name):
                self.other_files[path.relative_to(self.root).parts[0]] += 1
            elif not entry.is_file():
                raise self._refusal(path, "is a link to a file that is not there; restore the file or remove the link")
            else:
                yield path

    def _check_link(self, folder: Path) -> None:
        """Refuse a linked folder that leaves the dataset, or leads back to a folder it lies in."""
        if not folder.is_symlink():
            return
        target = folder.resolve()
        if not target.is_relative_to(self.root):
            raise self._refusal(folder, f"is a link out of the dataset, to {target}; copy or mount the folder here")
        if folder.parent.resolve().is_relative_to(target):
            raise self._refusal(folder, f"is a link to {target}, which holds it; remove the link")

    def _refusal(self, path: Path, problem: str) -> DatasetError:
        return DatasetError(str(self.root), f"{path.relative_to(self.root).as_posix()} {problem}")

    def warnings(self) -> list[str]:
        """One sentence per kind of file that was left out."""
        loose = [
            f"{count} images lie in {split} outside class folders and are not used"
            for split, count in _some(self.loose_images)
        ]
        other = [f"{count} files in {split} are no images and are not used" for split, count in _some(self.other_files)]
        return loose + other


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _some(counts: Counter[str]) -> list[tuple[str, int]]:
    return [(name, count) for name, count in counts.items() if count]


def _check_layout(root: Path) -> None:
    if not root.is_dir():
        problem = (
            "is a file, not a folder" if root.exists() else "is not there; check root (and DATASETS_DIR, if it is set)"
        )
        raise DatasetError(str(root), f"{problem}; {LAYOUT}")
    for split in ("train", "val"):
        if not (root / split).is_dir():
            found = ", ".join(entry.name for entry in _entries(root) if entry.is_dir()) or "none"
            raise DatasetError(str(root), f"has no folder {split!r} (folders found: {found}); {LAYOUT}")


def _check_classes(root: Path, walk: _Walk, counts: dict[str, Counter[str]]) -> None:
    classes = walk.class_folders["train"]
    if not classes:
        loose = walk.loose_images["train"]
        found = (
            f"but {loose} images lie directly in it; sort them into one folder per class" if loose else "it is empty"
        )
        raise DatasetError(str(root), f"train has no class folders, {found}; {LAYOUT}")
    if empty := [name for name in classes if not counts["train"][name]]:
        problem = f"{_quoted(empty)} in train holds no images; add some or remove the folder"
        raise DatasetError(str(root), problem)
    if len(classes) == 1:
        raise DatasetError(
            str(root), f"train has only one class, {classes[0]!r}; telling classes apart needs two or more"
        )
    for split, class_counts in counts.items():
        if unknown := sorted(set(class_counts) - set(classes)):
            hints = "".join(_hint(name, classes) for name in unknown)
            problem = (
                f"{_quoted(unknown)} in {split} is no class of train{hints}; rename the folder, or add it to train"
            )
            raise DatasetError(str(root), problem)
    if not counts["val"]:
        raise DatasetError(str(root), f"val holds no images in class folders; {LAYOUT}")


def _hint(name: str, classes: tuple[str, ...]) -> str:
    """Name the class that differs in case, spaces, `-` and `_` only, or else in a letter or two."""
    plain = {_plain(known): known for known in classes}
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.8)
    return f" (did you mean {plain[close[0]]!r} for {name!r}?)" if close else ""


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _missing_from_val(counts: dict[str, Counter[str]]) -> list[str]:
    missing = sorted(set(counts["train"]) - set(counts["val"]))
    return [f"{_quoted(missing)} has no images in val, so its metrics there say nothing"] if missing else []


def _quoted(names: list[str]) -> str:
    kind = "class" if len(names) == 1 else "classes"
    return f"{kind} {', '.join(map(repr, names))}"
