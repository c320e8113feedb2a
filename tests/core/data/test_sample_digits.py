"""The digits: real, whole, the same every time, and never written over something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from utp.core.data.manifest import scan_dataset
from utp.core.data.sample_digits import holds_digits, write_digits
from utp.errors import DatasetError

FINGERPRINT = "9af0f727"
"""First digits of the set's identity: changes only if a byte, a name or the split does."""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("parent") / "digits"
    assert write_digits(directory) == {"train": 1259, "val": 269, "test": 269}
    return directory


def test_every_digit_is_there_once_with_its_true_pixels(digits: Path) -> None:
    source = load_digits()
    files = {int(path.stem.removeprefix("digit_")): path for path in digits.rglob("*.png")}
    assert sorted(files) == list(range(1, 1798))
    for number in (1, 900, 1797):
        image = Image.open(files[number])
        assert image.size == (8, 8)
        assert files[number].parent.name == str(source.target[number - 1])
        assert np.array_equal(np.round(np.asarray(image) / 255 * 16), source.images[number - 1])


def test_split_is_stratified(digits: Path) -> None:
    manifest = scan_dataset(digits)
    assert manifest.warnings == ()
    for split, share in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
        indices = [sample.class_index for sample in manifest.splits[split]]
        for digit in range(10):
            assert indices.count(digit) == pytest.approx(share * 179.7, abs=4)


def test_same_bytes_every_time(digits: Path, tmp_path: Path) -> None:
    write_digits(tmp_path / "again")
    fingerprint = scan_dataset(tmp_path / "again").fingerprint
    assert fingerprint == scan_dataset(digits).fingerprint
    assert fingerprint.startswith(FINGERPRINT)


def test_second_call_leaves_the_files(digits: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in digits.rglob("*")}
    assert sum(write_digits(digits).values()) == 1797
    assert {path: path.stat().st_mtime_ns for path in digits.rglob("*")} == before


def test_folder_with_something_else_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(DatasetError, match="holds something else"):
        write_digits(tmp_path / "mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def test_changed_digit_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_digits(tmp_path / "empty")
    assert holds_digits(tmp_path / "empty")
    next((tmp_path / "empty").rglob("*.png")).write_bytes(b"")
    assert not holds_digits(tmp_path / "empty")
    with pytest.raises(DatasetError):
        write_digits(tmp_path / "empty")
