"""Faults of the data through the whole local run, by the rows of the fault matrix in the design's reliability page.

Row 40 (corrupt files) and 41 (data changes during a run) are shown here through the journal of a run; 40 and 43 on
the pictures in test_picture_faults.py. The others have their tests beside the code: 42 in
tests/core/data/test_manifest.py, 44 in tests/core/test_loop.py and tests/core/test_guard.py, 45 here (one image left
over, val without a class).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from tests.support.noise_images import CONFIG, write_noise

from utp.config.paths import RunPaths
from utp.core.journal import read_rows
from utp.entrypoints.local_run import start_run
from utp.entrypoints.run_display import ConsoleDisplay
from utp.errors import DatasetError
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
    with Path(os.devnull).open("w") as nowhere, ConsoleDisplay(Console(file=nowhere), Console(file=nowhere)) as display:
        return start_run(config, settings, display).paths


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


def test_row_41_file_deleted_during_a_run_is_skipped_and_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_noise(tmp_path / "data", {"a": 6, "b": 6}, {"a": 3, "b": 3})
    original = RunPaths.environment.fget  # read when the data is scanned and the run is about to start

    def delete_then(paths: RunPaths) -> Path:
        (tmp_path / "data" / "train" / "b" / "03.png").unlink(missing_ok=True)
        assert original is not None
        return original(paths)

    monkeypatch.setattr(RunPaths, "environment", property(delete_then))
    run(tmp_path, on_corrupt="skip", max_corrupt_share=0.2)
    result, corrupt, _ = attempt_of(tmp_path)
    assert result["outcome"] == "succeeded"
    assert corrupt["files"] == [{"split": "train", "path": "train/b/03.png", "reason": "the file is gone"}]


def test_row_45_one_image_left_over_and_a_class_without_val_images(tmp_path: Path) -> None:
    write_noise(tmp_path / "data", {"a": 6, "b": 5}, {"a": 1})  # batches of 5, 5 and 1, which batch norm can't take
    paths = run(tmp_path, mixup_alpha=1.0)
    result, _, _ = attempt_of(tmp_path)
    assert result["outcome"] == "succeeded"
    (epoch,) = [row for row in read_rows(paths.metrics) if row["kind"] == "epoch"]
    assert epoch["step"] == 2
    assert epoch["val_acc@1"] in (0.0, 1.0)
    assert epoch["val_auroc_macro"] is None
