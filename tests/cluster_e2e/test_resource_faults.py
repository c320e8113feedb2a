"""Memory, loader processes and disks give way beneath a run of a real platform: what is shown, and how it goes on."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.support.live_platform import CONFIG, LivePlatform, held, is_gone, rows_of, wait_until

from utp.config.loading import dump_config
from utp.core.checkpoint import CheckpointStore
from utp.errors import FailureKind
from utp.store.repositories.runs import RunDetail
from utp.store.states import Outcome, RunState

pytestmark = [pytest.mark.ray, pytest.mark.fault, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]

Rows = list[dict[str, Any]]
CGROUPS = Path("/sys/fs/cgroup/memory")
"""Of version 1, where a limit can be put around one process."""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a disk or to limit memory")


def check_second_attempt_ends_it(platform: LivePlatform, run_id: str, rows: Rows) -> RunDetail:
    run = platform.wait_ended(run_id)
    assert [attempt.outcome for attempt in run.attempts][1:] == [Outcome.SUCCEEDED]
    assert rows_of(platform.paths(run)) == rows
    return run


def test_memory_that_cannot_be_had_is_named_and_tried_once_more(platform: LivePlatform, undisturbed: Rows) -> None:
    hold = platform.hold("memory")  # row 3
    run_id = platform.submit(held(hold, after=7, then_allocate_mb=2000))
    trainer = psutil.Process(platform.wait_held(hold))
    limit = trainer.memory_info().vms + (200 << 20)
    trainer.rlimit(resource.RLIMIT_AS, (limit, limit))
    hold.unlink()
    run = platform.wait(run_id, lambda run: run.attempts[0].outcome is not None)
    assert (run.attempts[0].outcome, run.attempts[0].failure_kind) == (Outcome.FAILED, FailureKind.OOM_HOST)
    check_second_attempt_ends_it(platform, run_id, undisturbed)


@pytest.fixture
def memory_limit() -> Iterator[Path]:
    """A group of processes that may take 300 MB more."""
    group = CGROUPS / f"utp-test-{os.getpid()}"
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(300 << 20))
    yield group
    wait_until(lambda: not (group / "tasks").read_text(), "the end of the group's processes")
    group.rmdir()


@needs_root
@pytest.mark.skipif(not (CGROUPS / "tasks").exists(), reason="needs the memory controller of cgroup v1")
def test_process_that_the_kernel_killed_for_memory_is_named_and_tried_once_more(
    platform: LivePlatform, undisturbed: Rows, memory_limit: Path
) -> None:  # row 3
    hold = platform.hold("kernel")
    run_id = platform.submit(held(hold, after=7, then_allocate_mb=1000))
    (memory_limit / "cgroup.procs").write_text(str(platform.wait_held(hold)))
    hold.unlink()
    run = platform.wait(run_id, lambda run: run.attempts[0].outcome is not None)
    assert (run.attempts[0].outcome, run.attempts[0].failure_kind) == (Outcome.FAILED, FailureKind.OOM_HOST)
    assert "the kernel killed the process that trained" in str(run.attempts[0].message)
    check_second_attempt_ends_it(platform, run_id, undisturbed)


def test_killed_loader_process_is_named_leaves_nobody_behind_and_the_run_goes_on(
    platform: LivePlatform, undisturbed: Rows
) -> None:  # row 5
    hold = platform.hold("loader")
    run_id = platform.submit(replace(held(hold, after=2), num_workers=1, prefetch_factor=1))
    trainer = psutil.Process(platform.wait_held(hold))
    loaders = [child for child in trainer.children(recursive=True) if not child.children()]
    assert loaders
    for loader in loaders:
        platform.kill(loader.pid)
    hold.unlink()
    run = platform.wait(run_id, lambda run: run.attempts[0].outcome is not None)
    assert (run.attempts[0].outcome, run.attempts[0].failure_kind) == (Outcome.FAILED, FailureKind.OOM_HOST)
    assert "a data loader process failed: it was killed by SIGKILL" in str(run.attempts[0].message)
    wait_until(lambda: is_gone(trainer.pid), "the end of the process that trained")
    check_second_attempt_ends_it(platform, run_id, undisturbed)


@needs_root
def test_full_shared_memory_is_named_and_leaves_nobody_behind(platform: LivePlatform) -> None:  # row 5
    config = replace(CONFIG, loss="cross_entropy", plugins=(), num_workers=1, image_size=96, run_name="full-shm")
    file = platform.folder / "full-shm.json"
    file.write_text(json.dumps(dump_config(config)))
    train = (sys.executable, "-m", "utp.entrypoints.cli", "train", str(file))
    mount = 'mount -t tmpfs -o size=256k tmpfs /dev/shm; exec "$@"'  # less than a batch takes
    told = platform.fails("unshare", "-m", "sh", "-c", mount, "sh", *train)
    assert "a data loader process failed: shared memory is full" in " ".join(told.split())
    assert "give /dev/shm more room" in " ".join(told.split())
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(file) in (one.info["cmdline"] or [])]


@pytest.fixture
def disk(platform: LivePlatform) -> Iterator[Path]:
    """A disk of 64 MB below the mount of runs and checkpoints."""
    disk = platform.folder / "shared" / "small"
    disk.mkdir(parents=True)
    with ExitStack() as stack:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=True)
        stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=True)
        yield disk
    disk.rmdir()


def train_on(platform: LivePlatform, name: str) -> tuple[str, Path]:
    """Return a run whose checkpoints go to the disk, with two of them there, and the file that holds it in step 6."""
    hold = platform.hold(name)
    run_id = platform.submit(replace(held(hold, after=5), ckpt_dir="small"))
    platform.wait_held(hold)
    wait_until(lambda: committed_steps(platform, run_id) == [4, 5], "the checkpoint of the first epoch")
    return run_id, hold


def committed_steps(platform: LivePlatform, run_id: str) -> list[int]:
    committed = CheckpointStore(platform.paths(platform.client.get(run_id)).checkpoint_dir, attempt=99).committed()
    return [one.step for one in committed]


@needs_root
def test_full_disk_keeps_the_old_checkpoints_is_named_and_the_run_goes_on_with_room(
    platform: LivePlatform, undisturbed: Rows, disk: Path
) -> None:  # row 32
    run_id, hold = train_on(platform, "full")
    filler = disk / "filler"
    with filler.open("wb") as file:
        free = os.statvfs(disk)
        file.write(bytes(free.f_bavail * free.f_frsize))
    hold.unlink()
    run = platform.wait_ended(run_id, RunState.FAILED)
    assert run.attempts[0].failure_kind is FailureKind.STORAGE_FULL
    assert "free some space" in str(run.message)
    assert committed_steps(platform, run_id) == [4, 5]
    filler.unlink()
    platform.client.retry(run_id)
    check_second_attempt_ends_it(platform, run_id, undisturbed)


@needs_root
def test_disk_that_became_read_only_is_named_and_tried_again_by_itself(
    platform: LivePlatform, undisturbed: Rows, disk: Path
) -> None:  # row 35
    run_id, hold = train_on(platform, "read-only")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    hold.unlink()
    run = platform.wait(run_id, lambda run: run.attempts[0].outcome is not None)
    assert (run.attempts[0].failure_kind, run.state) == (FailureKind.STORAGE_ERROR, RunState.QUEUED)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    check_second_attempt_ends_it(platform, run_id, undisturbed)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: apt-get install strace")
@needs_root
def test_disk_that_fails_each_sync_is_named_and_the_run_tried_again_by_itself(
    platform: LivePlatform, undisturbed: Rows
) -> None:  # row 35
    hold = platform.hold("sync")
    run_id = platform.submit(held(hold, after=7))
    trainer = platform.wait_held(hold)
    platform.wait(run_id, lambda run: run.state is RunState.RUNNING)
    calls = ("-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO")
    with subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", *calls, "-p", str(trainer)]) as strace:
        wait_until(lambda: f"TracerPid:\t{strace.pid}\n" in Path(f"/proc/{trainer}/status").read_text(), "strace")
        hold.unlink()
        run = platform.wait(run_id, lambda run: run.attempts[0].outcome is not None)
        assert (run.attempts[0].failure_kind, run.state) == (FailureKind.STORAGE_ERROR, RunState.QUEUED)
        assert "Input/output error" in str(run.attempts[0].message)
    check_second_attempt_ends_it(platform, run_id, undisturbed)
