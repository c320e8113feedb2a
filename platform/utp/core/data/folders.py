"""Walks `ROOT/{train,val,test}/CLASS/**` and refuses what can't be trained on, by name and with the way out."""

from __future__ import annotations

import difflib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from utp.core.data.bounds import Bounds
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


def list_images(root: Path, mount: Path | None = None) -> Listing:
    """List the images of all splits; links to files may lead anywhere, but not out of `mount`, where there is one.

    Raises `DatasetError`; `root` must be resolved.
    """
    _check_layout(root)
    walk = _Walk(root, mount.resolve() if mount else None)
    images = walk.all_splits()
    counts: dict[str, Counter[str]] = {split: Counter() for split in walk.class_folders}
    for image in images:
        counts[image.split][image.class_name] += 1
    _check_classes(root, walk, counts)
    warnings = [*walk.warnings(), *_alike(walk.class_folders["train"]), *_missing_from_val(counts)]
    if "test" in counts and not counts["test"]:
        warnings.append("test holds no images in class folders and is not used")
        del counts["test"]
    return Listing(tuple(images), {split: tuple(sorted(found)) for split, found in counts.items()}, tuple(warnings))


def list_all_images(root: Path, mount: Path | None = None) -> tuple[list[ImageFile], dict[str, tuple[str, ...]]]:
    """Return the images of all splits and the class folders of each, be it a dataset to train on or not.

    Raises `DatasetError` only for what can't be walked: links that lead astray, as `list_images` says, folders that
    can't be opened, class folders whose name is no text. `root` must be resolved.
    """
    walk = _Walk(root, mount.resolve() if mount else None)
    return walk.all_splits(), walk.class_folders


def is_image(name: str) -> bool:
    """Whether a file's name ends like an image's."""
    return Path(name).suffix.lower() in EXTENSIONS


class _Walk:
    """Goes through one dataset; remembers what it left out."""

    def __init__(self, root: Path, mount: Path | None) -> None:
        self.root, self.bounds = root, Bounds(root, mount)
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
        entries = self._entries(folder)
        folders = [entry for entry in entries if self._is_folder(entry)]
        for entry in entries:
            self._check_class_entry(entry)
        self.loose_images[split] += sum(not entry.is_dir() and is_image(entry.name) for entry in entries)
        self.class_folders[split] = tuple(entry.name for entry in folders)
        for entry in folders:
            for path in self._files(Path(entry.path)):
                yield ImageFile(split, entry.name, path.relative_to(self.root).as_posix())

    def _files(self, folder: Path) -> Iterator[Path]:
        self._check_link(folder)
        for entry in self._entries(folder):
            path = Path(entry.path)
            if self._is_folder(entry):
                yield from self._files(path)
            elif not is_image(entry.name):
                self.other_files[path.relative_to(self.root).parts[0]] += 1
            elif not entry.is_file():
                raise self._refusal(path, _NO_FILE[entry.is_symlink()])
            else:
                if entry.is_symlink():
                    self.bounds.check_file(path, path.resolve())
                yield path

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            return _entries(folder)
        except OSError as error:
            problem = f"can't be opened ({error.strerror}); have whoever owns it let you read and enter it"
            raise self._refusal(folder, problem) from error

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        try:
            return entry.is_dir()
        except OSError as error:  # a link that leads to itself
            raise self._refusal(Path(entry.path), f"leads nowhere ({error.strerror}); remove it") from error

    def _check_class_entry(self, entry: os.DirEntry[str]) -> None:
        path = Path(entry.path)
        if entry.is_symlink() and not path.exists():
            raise self._refusal(path, "is a link to a folder that is not there; restore the folder or remove the link")
        if entry.is_dir() and not _is_text(entry.name):
            raise self._refusal(path, "has a name that is no UTF-8, which no model can keep; rename the folder")

    def _check_link(self, folder: Path) -> None:
        """Refuse a linked folder that leaves the dataset, or leads back to a folder it lies in."""
        if not folder.is_symlink():
            return
        self.bounds.check_folder(folder)
        target = folder.resolve()
        # Each folder that was walked through: two links may lead into each other's folders.
        above = [folder.parents[depth] for depth in range(len(folder.relative_to(self.root).parts))]
        if any(parent.resolve().is_relative_to(target) for parent in above):
            raise self._refusal(folder, f"is a link to {target}, which holds it; remove the link")

    def _refusal(self, path: Path, problem: str) -> DatasetError:
        place = path.relative_to(self.root).as_posix().encode(errors="backslashreplace").decode()
        return DatasetError(str(self.root), f"{place} {problem}")

    def warnings(self) -> list[str]:
        """One sentence per kind of file that was left out."""
        loose = [
            f"{count} images lie in {split} outside class folders and are not used"
            for split, count in _some(self.loose_images)
        ]
        other = [f"{count} files in {split} are no images and are not used" for split, count in _some(self.other_files)]
        return loose + other


_NO_FILE = {
    True: "is a link to a file that is not there; restore the file or remove the link",
    False: "is no file, but a pipe, a socket or a device; remove it",
}
"""What is wrong with an entry that is no file, by whether it is a link."""


def _is_text(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)  # Python's stand-ins for bytes that are no UTF-8


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
    folded = unicodedata.normalize("NFKD", name).casefold()  # one and the same letter may be written as one sign or two
    return "".join(letter for letter in folded if letter.isalnum())


def _alike(classes: tuple[str, ...]) -> list[str]:
    """Warn of class folders that are one and the same to a reader."""
    first: dict[str, str] = {}
    sentences = []
    for name in classes:
        other = first.setdefault(unicodedata.normalize("NFKC", name).casefold().strip(), name)
        if other != name:
            said = "differ in case, a space or the code of a letter alone; move their images together if they are one"
            sentences.append(f"{_quoted([other, name])} {said}")
    return sentences


def _missing_from_val(counts: dict[str, Counter[str]]) -> list[str]:
    missing = sorted(set(counts["train"]) - set(counts["val"]))
    return [f"{_quoted(missing)} has no images in val, so its metrics there say nothing"] if missing else []


def _quoted(names: list[str]) -> str:
    kind = "class" if len(names) == 1 else "classes"
    return f"{kind} {', '.join(map(repr, names))}"
