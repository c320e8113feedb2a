"""Rows 33 and 35 of the fault matrix on a real process: strace kills it at a system call of a save, or fails the call.

test_commit_crashes.py goes through all states that a power cut may leave, by a record of the calls; this shows that
the record's idea of a crash is that of a real one, and that no call is missing from it.
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.support.small_save import NEW, OLD, assert_whole, resume, train_to
from tests.support.warm_process import Child, WarmProcess

from utp.core.checkpoint import CheckpointStore
from utp.core.failures import classify_failure
from utp.errors import StorageFailed

pytestmark = [
    pytest.mark.fault,
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: sudo apt install strace"),
]

HERE = "tests.faults.test_syscall_crashes"


def train_when_traced(checkpoint_dir: str, epochs: int, keep_last: int, answer: str) -> None:
    """Run in the child: train up to `epochs`; write to the file `answer` how it ended."""
    _wait_for_tracer()
    try:
        reporter = train_to(Path(checkpoint_dir), epochs, keep_last)
    except StorageFailed as error:
        Path(answer).write_text(json.dumps({"kind": str(classify_failure(error)), "message": str(error)}))
    else:
        Path(answer).write_text(json.dumps({"notes": reporter.notes, "checkpoints": reporter.checkpoints}))


def train_once() -> None:
    """Run in the warm process: the first step of an optimizer imports for seconds."""
    with TemporaryDirectory() as folder:
        train_to(Path(folder), epochs=1)


def _wait_for_tracer() -> None:
    deadline = time.monotonic() + 60
    while "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
        assert time.monotonic() < deadline, "strace did not come"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmProcess]:
    with WarmProcess([HERE], setup=f"{HERE}:train_once") as process:
        yield process


def run_under_strace(
    warm: WarmProcess, folder: Path, injection: str, epochs: int = 2, keep_last: int = 1
) -> tuple[Child, Path]:
    """Train in `folder/checkpoints` with system calls tampered with; return the process, ended, and its answer."""
    answer = folder / "answer.json"
    arguments = (str(folder / "checkpoints"), epochs, keep_last, str(answer))
    child = warm.fork(f"{HERE}:train_when_traced", *arguments, out=folder / "out.txt")
    calls = injection.partition(":")[0]
    command = ["strace", "-f", "-qqq", "-o", str(folder / "trace"), "-e", f"trace={calls}", "-e", f"inject={injection}"]
    subprocess.run([*command, "-p", str(child.pid)], check=False, capture_output=True, timeout=120)
    child.wait()
    return child, answer


@pytest.fixture(scope="module")
def one_epoch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one-epoch") / "checkpoints"
    folder.mkdir()
    train_to(folder, epochs=1)
    return folder


@pytest.fixture(scope="module")
def two_epochs(one_epoch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two-epochs") / "checkpoints"
    shutil.copytree(one_epoch, folder)
    train_to(folder, epochs=2)
    return folder


@pytest.mark.parametrize(
    ("call", "found_after"),
    [
        ("mkdir", {OLD}),
        ("write", {OLD, NEW}),
        ("fsync", {OLD, NEW}),
        ("rename", {OLD, NEW}),  # of the checkpoint, of best.pt, of its meta, and of the one that is pruned
        ("unlinkat", {NEW}),
        ("rmdir", {NEW}),
    ],
)
def test_row_33_kill_before_any_system_call_of_a_save_leaves_the_old_checkpoint_or_the_new_one(
    warm: WarmProcess, one_epoch: Path, two_epochs: Path, tmp_path: Path, call: str, found_after: set[str]
) -> None:
    seen = set()
    for number in itertools.count(1):
        tree = tmp_path / str(number) / "checkpoints"
        shutil.copytree(one_epoch, tree)
        child, answer = run_under_strace(warm, tree.parent, f"{call}:signal=KILL:when={number}")
        found, state = resume(tree)
        assert_whole(found, state, two_epochs)
        if child.wait() != -signal.SIGKILL:
            break
        seen.add(found.name)
        assert not answer.exists()
    assert child.wait() == 0, child.out.read_text()
    assert found.name == NEW
    assert seen == found_after


def test_row_35_fsync_that_fails_once_costs_one_checkpoint_and_training_goes_on(
    warm: WarmProcess, tmp_path: Path
) -> None:
    (tmp_path / "checkpoints").mkdir()
    child, answer = run_under_strace(warm, tmp_path, "fsync:error=EIO:when=1", epochs=3)
    assert child.wait() == 0, child.out.read_text()
    told = json.loads(answer.read_text())
    (note,) = told["notes"]
    assert note.startswith(f"checkpoint {OLD} was not written ([Errno 5] Input/output error)")
    assert told["checkpoints"] == [NEW, "epoch_003-step_000021"]
    newest = CheckpointStore(tmp_path / "checkpoints", attempt=2).newest()
    assert newest is not None
    assert newest.name == "epoch_003-step_000021"


def test_row_35_storage_that_fails_every_fsync_ends_the_run_as_storage_error(warm: WarmProcess, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    child, answer = run_under_strace(warm, tmp_path, "fsync:error=EIO:when=1+", epochs=9)
    assert child.wait() == 0, child.out.read_text()
    told = json.loads(answer.read_text())
    assert told["kind"] == "storage_error"
    assert "Input/output error" in told["message"]
    assert list((tmp_path / "checkpoints").iterdir()) == []
