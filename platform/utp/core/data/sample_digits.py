"""Writes scikit-learn's handwritten digits as a dataset: 1,797 real 8x8 scans, no download, the same bytes every time.

The files keep the true 8x8 pixels. Enlarging them here would bake one interpolation in; the model's own preprocessing
resizes them anyway.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from utp.errors import DatasetError

_SHARES = {"val": 0.15, "test": 0.15}  # the rest is train
_BRIGHTEST = 16  # scikit-learn counts ink in 0..16


def write_digits(directory: Path) -> dict[str, int]:
    """Write `DIR/{train,val,test}/{0..9}/digit_NNNN.png`, stratified 70/15/15, and return the images per split.

    NNNN is the digit's position in scikit-learn's set, from 1. A folder that holds exactly these files stays untouched.

    Raises:
        DatasetError: the folder holds something else, or is a file.
    """
    files = _digit_files()
    if not holds_digits(directory):
        if directory.is_file() or (directory.is_dir() and any(directory.iterdir())):
            problem = "is there already and holds something else; name another folder, or remove this one"
            raise DatasetError(str(directory), problem)
        _write_whole(directory, files)
    counts = dict.fromkeys(("train", "val", "test"), 0)
    for path in files:
        counts[path.partition("/")[0]] += 1
    return counts


def holds_digits(directory: Path) -> bool:
    """Whether the folder holds exactly what `write_digits` writes, byte for byte."""
    if not directory.is_dir():
        return False
    expected = _digit_files()
    found = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    return found.keys() == expected.keys() and all(found[name].read_bytes() == expected[name] for name in expected)


def _write_whole(directory: Path, files: dict[str, bytes]) -> None:
    """Write beside the target and rename: an interrupted run leaves no half dataset under its name."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        whole = staging / "digits"  # mkdtemp's own folder is closed to other users
        for name, content in files.items():
            (whole / name).parent.mkdir(parents=True, exist_ok=True)
            (whole / name).write_bytes(content)
        whole.replace(directory)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@cache
def _digit_files() -> dict[str, bytes]:
    """Return path to PNG, for all digits."""
    digits = load_digits()
    splits = _splits(digits.target)
    files = {}
    for position, (ink, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        files[f"{splits[position]}/{label}/digit_{position + 1:04d}.png"] = _png(ink)
    return files


def _splits(labels: np.ndarray) -> dict[int, str]:
    """Assign each position a split, by its hash: within a class, neighbours come from the same few writers."""
    splits: dict[int, str] = {}
    for label in range(10):
        members = sorted((int(position) for position in np.flatnonzero(labels == label)), key=_rank)
        start = 0
        for split, share in _SHARES.items():
            count = round(len(members) * share)
            splits.update(dict.fromkeys(members[start : start + count], split))
            start += count
        splits.update(dict.fromkeys(members[start:], "train"))
    return splits


def _rank(position: int) -> bytes:
    return hashlib.blake2b(str(position).encode(), digest_size=8).digest()


def _png(ink: np.ndarray) -> bytes:
    pixels = np.round(ink * 255 / _BRIGHTEST).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)  # stored, so no zlib version changes the bytes
    return buffer.getvalue()
