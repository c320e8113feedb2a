"""Row 52 of the fault matrix after the scan: a file or folder that was a dataset's own becomes a link to elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.noise_images import CONFIG, write_noise

from utp.core.data.decoded_cache import open_cache
from utp.core.data.manifest import scan_dataset
from utp.core.device import resolve_compute
from utp.core.tasks.image_classification import ImageClassification, build
from utp.errors import DatasetError, DatasetLeft
from utp.settings import Settings

pytestmark = pytest.mark.fault

COMPUTE, _ = resolve_compute(CONFIG)
WORKERS = pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.process)])


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """A mount with one dataset in it; beside it lies `outside`, with pictures that could be trained on as well."""
    write_noise(tmp_path / "mount" / "data", {"a": 4, "b": 4}, {"a": 2, "b": 2})
    shutil.copytree(tmp_path / "mount" / "data" / "train" / "b", tmp_path / "outside")
    return tmp_path / "mount"


@pytest.fixture
def outside(mount: Path) -> Path:
    return mount.parent / "outside"


@pytest.fixture
def tasks() -> Iterator[list[ImageClassification]]:
    opened: list[ImageClassification] = []
    yield opened
    for task in opened:
        task.close()


def scanned(
    tasks: list[ImageClassification], mount: Path, num_workers: int, *, is_mounted: bool = True
) -> ImageClassification:
    """Return a task that has scanned the dataset, and leaves out what it can't decode."""
    config = replace(CONFIG, root="data" if is_mounted else str(mount / "data"), num_workers=num_workers)
    config = replace(config, on_corrupt="skip", max_corrupt_share=0.9)
    settings = Settings(DATASETS_DIR=mount if is_mounted else None, UTP_CACHE_DIR=mount.parent / "cache")
    tasks.append(build(config, settings))
    return tasks[-1]


def swap(path: Path, target: Path) -> None:
    """Put a link in the place of a file or folder, which becomes the target where there is none."""
    if not target.exists():
        path.rename(target)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    path.symlink_to(target)


def told_by_scan(root: Path, mount: Path | None) -> str:
    with pytest.raises(DatasetError) as caught:
        scan_dataset(root, mount=mount)
    return str(caught.value)


@WORKERS
@pytest.mark.parametrize(
    ("place", "target", "problem"),
    [
        ("train/a/01.png", "outside/01.png", r"is a link out of .*/mount \(DATASETS_DIR\), to .*/outside/01.png; copy"),
        ("train/a", "outside", r"is a link out of the dataset, to .*/outside; copy or mount the folder here"),
        ("train", "moved", r"is a link out of the dataset, to .*/moved; copy or mount the folder here"),
    ],
)
def test_row_52_link_that_is_swapped_in_is_refused_by_name_as_the_scan_does(
    mount: Path, tasks: list[ImageClassification], place: str, target: str, problem: str, num_workers: int
) -> None:
    task = scanned(tasks, mount, num_workers)
    swap(mount / "data" / place, mount.parent / target)
    with pytest.raises(DatasetLeft, match=f"{place} {problem}") as caught:
        list(task.train_batches(0, 0, COMPUTE))
    assert str(caught.value) == told_by_scan(mount / "data", mount)


@WORKERS
def test_folder_of_a_dataset_without_a_mount_may_not_lead_out_of_it_either(
    mount: Path, outside: Path, tasks: list[ImageClassification], num_workers: int
) -> None:
    task = scanned(tasks, mount, num_workers, is_mounted=False)
    swap(mount / "data" / "train" / "a", outside)
    with pytest.raises(DatasetLeft) as caught:
        list(task.train_batches(0, 0, COMPUTE))
    assert str(caught.value) == told_by_scan(mount / "data", None)


@WORKERS
def test_links_that_the_scan_takes_are_followed(
    mount: Path, outside: Path, tasks: list[ImageClassification], num_workers: int
) -> None:
    outside = outside.rename(mount / "shared")
    (mount / "data" / "train" / "a" / "linked.png").symlink_to(outside / "03.png")
    (mount / "data" / "train" / "b" / "more").symlink_to(mount / "data" / "train" / "a")
    task = scanned(tasks, mount, num_workers)
    swap(mount / "data" / "train" / "a" / "01.png", outside / "01.png")
    assert sum(len(batch.labels) for batch in task.train_batches(0, 0, COMPUTE)) == 14


def test_link_that_is_swapped_in_before_the_cache_is_made_is_refused(mount: Path, outside: Path) -> None:
    manifest = scan_dataset(mount / "data", mount=mount)
    swap(mount / "data" / "train" / "a" / "01.png", outside / "01.png")
    with pytest.raises(DatasetLeft, match=r"train/a/01\.png is a link out of"):
        open_cache(manifest.splits["train"], manifest.root, edge=16, directory=mount.parent / "cache", mount=mount)
