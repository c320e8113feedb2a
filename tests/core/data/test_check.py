"""The report: every corrupt file, every copy across splits or classes, counts and sizes."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from utp.core.data.check import CorruptFile, SizeRange, check_dataset


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes, two pictures each in train, one each in val, all different."""
    shade = 0
    for split, count in (("train", 2), ("val", 1)):
        for name in ("cat", "dog"):
            folder = tmp_path / "pets" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                shade += 1
                Image.new("RGB", (10 + shade, 20), (shade, 0, 0)).save(folder / f"{number}.png")
    return tmp_path / "pets"


def test_sound_dataset_has_no_problems(root: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = check_dataset(root, on_progress=lambda done, total: seen.append((done, total)))
    assert not report.has_problems
    assert report.counts == {"train": {"cat": 2, "dog": 2}, "val": {"cat": 1, "dog": 1}}
    assert report.width == SizeRange(11, 13, 16)
    assert report.height == SizeRange(20, 20, 20)
    assert seen[-1] == (6, 6)
    assert json.loads(json.dumps(report.to_dict()))["has_problems"] is False


def test_every_corrupt_file_is_listed_with_its_reason(root: Path) -> None:
    (root / "train" / "cat" / "0.png").write_bytes(b"")
    (root / "val" / "dog" / "0.png").write_text("not an image")
    report = check_dataset(root)
    assert report.has_problems
    assert report.corrupt[0] == CorruptFile("train/cat/0.png", "the file is empty")
    assert [file.path for file in report.corrupt] == ["train/cat/0.png", "val/dog/0.png"]


def test_copies_across_splits_and_classes_are_listed(root: Path) -> None:
    shutil.copy(root / "train" / "cat" / "0.png", root / "val" / "cat" / "leak.png")
    shutil.copy(root / "train" / "dog" / "1.png", root / "train" / "cat" / "wrong.png")
    shutil.copy(root / "train" / "dog" / "0.png", root / "train" / "dog" / "harmless.png")
    report = check_dataset(root)
    assert report.leaks == (("train/cat/0.png", "val/cat/leak.png"),)
    assert report.conflicts == (("train/cat/wrong.png", "train/dog/1.png"),)


def test_threads_leave_the_warning_filters_as_they_were(root: Path) -> None:
    before = list(warnings.filters)
    check_dataset(root)
    assert list(warnings.filters) == before


@pytest.mark.data
def test_real_dataset_decodes_whole(real_data: Callable[[str], Path]) -> None:
    report = check_dataset(real_data("grocery_fruit"))
    assert {split: sum(counts.values()) for split, counts in report.counts.items()} == {
        "train": 1127, "val": 126, "test": 1117,
    }  # fmt: skip
    assert report.corrupt == ()
    assert report.width is not None
    assert (report.width.minimum, report.width.maximum) == (348, 464)
