"""Faults of the data through the whole local run, by the rows of the fault matrix in the design's reliability page.

Row 40 (corrupt files) and 41 (data changes during a run) are shown here through the journal of a run; 40 and 43 on
the pictures in test_picture_faults.py. The others have their tests beside the code, marked fault: 42 in
tests/core/data/test_manifest.py, 43 in tests/core/data/test_decode.py, 44 in tests/core/test_loop.py and
tests/core/test_guard.py; 45 here (one image left over, val without a class).
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from tests.support.noise_images import CONFIG, write_noise

from utp.config.paths import RunPaths
from utp.core.data.loading import ImageBatch, TrainBatches
from utp.core.journal import read_rows
from utp.entrypoints.local_run import resume_run, start_run
from utp.entrypoints.run_display import ConsoleDisplay
from utp.errors import DatasetError, ResumeRefused
from utp.settings import Settings

pytestmark = pytest.mark.fault


@pytest.fixture(autouse=True)
def _callers_threads() -> Iterator[None]:
    num_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(num_threads)


def run(folder: Path, **changes: Any) -> RunPaths:
    settings = Settings(DATASETS_DIR=folder, SHARED_LOGS_DIR=folder, UTP_CACHE_DIR=folder / "cache")
    config = replace(CONFIG, epochs=1, run_name="run", **changes)
    with nowhere() as display:
        return start_run(config, settings, display).paths


@contextmanager
def nowhere() -> Iterator[ConsoleDisplay]:
    with Path(os.devnull).open("w") as file, ConsoleDisplay(Console(file=file), Console(file=file)) as display:
        yield display


def attempt_of(folder: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return `result.json`, `corrupt.json` and the log of the only attempt."""
    (directory,) = folder.glob("runs/data/run/attempts/1")
    corrupt = directory / "corrupt.json"
    listed = json.loads(corrupt.read_text()) if corrupt.exists() else {}
    return json.loads((directory / "result.json").read_text()), listed, (directory / "rank0.log").read_text()


def test_row_40_skipped_file_is_logged_and_listed_by_path(tmp_path: Path) -> None:
    write_noise(tmp_path / "data", {"a": 6, "b": 6}, {"a": 3, "b": 3})
    (tmp_path / "data" / "train" / "a" / "02.png").write_bytes(b"")
    torn = tmp_path / "data" / "val" / "b" / "01.png"
    torn.write_bytes(torn.read_bytes()[:300])
    run(tmp_path, on_corrupt="skip", max_corrupt_share=0.2)
    result, corrupt, log = attempt_of(tmp_path)
    assert result["outcome"] == "succeeded"
    assert {file["path"]: file["split"] for file in corrupt["files"]} == {
        "train/a/02.png": "train",
        "val/b/01.png": "val",
    }
    assert log.count("train/a/02.png can't be decoded and is left out of train: the file is empty") == 1
    assert log.count("val/b/01.png can't be decoded") == 1


def test_row_40_over_the_limit_the_attempt_fails_as_data_error(tmp_path: Path) -> None:
    write_noise(tmp_path / "data", {"a": 6, "b": 6}, {"a": 3})
    for number in (1, 2):
        (tmp_path / "data" / "train" / "a" / f"{number:02d}.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="max_corrupt_share"):
        run(tmp_path, on_corrupt="skip", max_corrupt_share=0.1)
    result, corrupt, _ = attempt_of(tmp_path)
    assert (result["outcome"], result["kind"]) == ("failed", "data_error")
    assert {file["path"] for file in corrupt["files"]} == {"train/a/01.png", "train/a/02.png"}


Change = Callable[[Path], None]


@pytest.fixture
def when_training_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    """Return a function that registers what to do to the dataset after its scan, as the first batch is asked for."""

    def register(change: Change) -> None:
        epoch = TrainBatches.epoch

        def change_then(batches: TrainBatches, number: int, start_batch: int = 0) -> Iterator[ImageBatch]:
            if number == 0:
                change(tmp_path / "data")
            return epoch(batches, number, start_batch)

        monkeypatch.setattr(TrainBatches, "epoch", change_then)

    return register


def delete_a_tenth(data: Path) -> None:
    for path in sorted(data.glob("train/*/*.png"))[::10]:
        path.unlink()


def replace_a_class(data: Path) -> None:
    (data / "train" / "b").rename(data.parent / "b-before")
    (data / "train" / "b").mkdir()
    for path in (data.parent / "b-before").iterdir():
        shutil.copy(path, data / "train" / "b" / f"new-{path.name}")


def test_row_41_tenth_of_the_files_deleted_during_a_run_is_skipped_and_listed(
    tmp_path: Path, when_training_starts: Callable[[Change], None]
) -> None:
    write_noise(tmp_path / "data", {"a": 20, "b": 20}, {"a": 3, "b": 3})
    when_training_starts(delete_a_tenth)
    run(tmp_path, on_corrupt="skip", max_corrupt_share=0.2)
    result, corrupt, _ = attempt_of(tmp_path)
    assert result["outcome"] == "succeeded"
    assert sorted((file["path"], file["reason"]) for file in corrupt["files"]) == [
        (f"train/{name}/{number}.png", "the file is gone") for name in "ab" for number in ("00", "10")
    ]


@pytest.mark.parametrize(
    ("change", "policy"),
    [
        (delete_a_tenth, {"on_corrupt": "fail"}),
        (delete_a_tenth, {"on_corrupt": "skip", "max_corrupt_share": 0.05}),
        (replace_a_class, {"on_corrupt": "fail"}),
        (replace_a_class, {"on_corrupt": "skip", "max_corrupt_share": 0.2}),
    ],
)
def test_row_41_beyond_the_policy_the_attempt_fails_as_data_error_and_names_a_file(
    tmp_path: Path, when_training_starts: Callable[[Change], None], change: Change, policy: dict[str, Any]
) -> None:
    write_noise(tmp_path / "data", {"a": 20, "b": 20}, {"a": 3, "b": 3})
    when_training_starts(change)
    with pytest.raises(DatasetError):
        run(tmp_path, **policy)
    result, _, _ = attempt_of(tmp_path)
    assert (result["outcome"], result["kind"]) == ("failed", "data_error")
    assert re.search(r"train/[ab]/\d\d\.png", result["message"])


def test_row_41_changed_dataset_is_refused_on_resume_and_the_fingerprints_recorded(
    tmp_path: Path, when_training_starts: Callable[[Change], None]
) -> None:
    write_noise(tmp_path / "data", {"a": 20, "b": 20}, {"a": 3, "b": 3})
    when_training_starts(delete_a_tenth)
    paths = run(tmp_path, on_corrupt="skip", max_corrupt_share=0.2)
    for result in (paths.result, paths.attempt(1).result):
        result.unlink()  # as if it had been killed
    settings = Settings(DATASETS_DIR=tmp_path, SHARED_LOGS_DIR=tmp_path, UTP_CACHE_DIR=tmp_path / "cache")
    saved = json.loads(paths.environment.read_text())["data"]["data_fingerprint"]
    with nowhere() as display, pytest.raises(ResumeRefused, match="put the dataset back"):
        resume_run(paths, lambda config: config, settings, display)
    message = json.loads(paths.attempt(2).result.read_text())["message"]
    now = json.loads(paths.environment.read_text())["data"]["data_fingerprint"]
    assert saved != now
    assert f"data_fingerprint was '{saved[:40]}" in message
    assert f"is '{now[:40]}" in message


def test_row_45_one_image_left_over_and_a_class_without_val_images(tmp_path: Path) -> None:
    write_noise(tmp_path / "data", {"a": 6, "b": 5}, {"a": 1})  # batches of 5, 5 and 1, which batch norm can't take
    paths = run(tmp_path, mixup_alpha=1.0)
    result, _, _ = attempt_of(tmp_path)
    assert result["outcome"] == "succeeded"
    (epoch,) = [row for row in read_rows(paths.metrics) if row["kind"] == "epoch"]
    assert epoch["step"] == 2
    assert epoch["val_acc@1"] in (0.0, 1.0)
    assert epoch["val_auroc_macro"] is None
