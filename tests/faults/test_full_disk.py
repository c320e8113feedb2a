"""Row 32 of the fault matrix on a real disk that is full: seen before a save begins, or met in the middle of it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.pixel_task import PixelTask
from tests.support.recording_reporter import RecordingReporter

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core import disk_space
from utp.core.checkpoint import Checkpoint, CheckpointStore
from utp.core.checkpointer import Checkpointer
from utp.core.durable import WrittenFile, write_hashed
from utp.core.loop import fit

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a disk"),
]
CONFIG = TrainConfig(root="-", model_flavour="-", epochs=3, lr=0.01, autocast_dtype="float32", num_threads=1)
DISK_BYTES = 2**20


@dataclass
class ActingReporter(RecordingReporter):
    """Does something at the first checkpoint, and at the first note."""

    on_checkpoint: Callable[[], object] = lambda: None
    on_note: Callable[[], object] = lambda: None

    def log_checkpoint(self, checkpoint: Checkpoint) -> None:
        super().log_checkpoint(checkpoint)
        if len(self.checkpoints) == 1:
            self.on_checkpoint()

    def log_note(self, sentence: str) -> None:
        super().log_note(sentence)
        if len(self.notes) == 1:
            self.on_note()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    with ExitStack() as stack:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)], check=True)
        stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=True)
        yield disk


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that a save has begun to write."""
    names: list[str] = []

    def write(path: Path, pieces: object) -> WrittenFile:
        names.append(path.name)
        return write_hashed(path, pieces)  # type: ignore[arg-type]

    monkeypatch.setattr("utp.core.checkpoint.write_hashed", write)
    return names


def fill(disk: Path, room_bytes: int) -> None:
    found = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(found.f_bavail * found.f_frsize - room_bytes))


def train(disk: Path, reporter: ActingReporter) -> None:
    checkpoints, task = disk / "checkpoints", PixelTask()
    checkpoints.mkdir()
    paths, store = RunPaths(disk.parent / "runs", checkpoints), CheckpointStore(checkpoints, attempt=1)
    fit(CONFIG, task, reporter, Checkpointer(CONFIG, task.identity, paths, store, reporter.log_note))


def fail_in_epoch_2(disk: Path, room_bytes: int, begun: list[str]) -> str:
    """Train with so little room in the second of three epochs; return the run's note on it."""

    def leave_little() -> None:
        begun.clear()
        fill(disk, room_bytes)

    def see_what_is_left() -> None:
        assert [path.name for path in (disk / "checkpoints").glob("*step*")] == ["epoch_001-step_000007"]
        assert list((disk / "checkpoints").glob(".*")) == []
        (disk / "filler").unlink()

    reporter = ActingReporter(on_checkpoint=leave_little, on_note=see_what_is_left)
    train(disk, reporter)
    assert reporter.checkpoints == ["epoch_001-step_000007", "epoch_003-step_000021"]
    (note,) = reporter.notes
    assert note.startswith("checkpoint epoch_002-step_000014 was not written")
    assert f"Free some space of {disk / 'checkpoints'}" in note
    return note


def test_row_32_save_that_does_not_fit_writes_no_byte(disk: Path, begun: list[str]) -> None:
    note = fail_in_epoch_2(disk, 36_864, begun)
    assert re.search(r"4\d\.\d kB have to be free, and 36\.9 kB are", note)
    assert begun.count("model.safetensors") == 1  # of the third epoch


def test_row_32_disk_that_is_full_in_the_middle_of_a_save_leaves_the_ones_before(
    disk: Path, begun: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "free_bytes", lambda directory: 10**12)  # as where a quota is not counted in
    note = fail_in_epoch_2(disk, 16_384, begun)
    assert "No space left on device" in note
    assert begun[:2] == ["model.safetensors", "optimizer.safetensors"]
    assert begun.count("model.safetensors") == 2


def test_run_that_begins_on_a_disk_without_room_says_so(disk: Path) -> None:
    fill(disk, 110_000)
    reporter = ActingReporter(on_note=(disk / "filler").unlink)
    train(disk, reporter)
    assert len(reporter.checkpoints) == CONFIG.epochs
    assert re.search(r"has 1\d\d\.\d kB free, less than 4 checkpoints of 3\d\.\d kB each", reporter.notes[0])
