"""A worker that makes no progress writes where it stands; one that gets on does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

from utp.cluster.stack_watch import StackWatch


def watch(path: Path, *, for_s: float, has_progress_after: float | None = None) -> str:
    """Return what stands in the log after a while with progress at its start, and until a given second."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        with StackWatch(0.3, descriptor=descriptor, look_every_s=0.01) as stack_watch:
            since = time.monotonic()
            stack_watch.note_progress()
            while (passed_s := time.monotonic() - since) < for_s:
                if has_progress_after is not None and passed_s < has_progress_after:
                    stack_watch.note_progress()
                stand_in_for_training()
    finally:
        os.close(descriptor)
    return path.read_text()


def stand_in_for_training() -> None:
    time.sleep(0.01)


def test_worker_without_progress_writes_the_stacks_of_all_threads_once(tmp_path: Path) -> None:
    log = watch(tmp_path / "log", for_s=1.0)
    assert log.count("Timeout (0:00:00.3") == 1
    assert "stand_in_for_training" in log
    assert "stack_watch.py" in log


def test_worker_that_gets_on_writes_nothing(tmp_path: Path) -> None:
    assert watch(tmp_path / "log", for_s=1.0, has_progress_after=1.0) == ""


def test_worker_that_has_left_writes_nothing(tmp_path: Path) -> None:
    assert watch(tmp_path / "log", for_s=0.05) == ""
    time.sleep(0.4)
    assert (tmp_path / "log").read_text() == ""
