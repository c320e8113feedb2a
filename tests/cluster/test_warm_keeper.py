"""Keeps a server that only sleeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from utp.cluster.warm_keeper import FIRST_PAUSE_S, STABLE_AFTER_S, WarmKeeper
from utp.cluster.warm_protocol import code_version, read_code_version

pytestmark = pytest.mark.process

SLEEPS = (sys.executable, "-S", "-c", "import time; time.sleep(100)")
DIES = (sys.executable, "-S", "-c", "raise SystemExit(1)")


class Stage:
    """A keeper with a clock and a code version of the test's."""

    def __init__(self, home: Path, command: tuple[str, ...]) -> None:
        self.now, self.version = 1000.0, "a"
        self.keeper = WarmKeeper(home, command=command, read_version=lambda: self.version, clock=lambda: self.now)

    def step(self, after_s: float = 0.0) -> int | None:
        self.now += after_s
        self.keeper.step()
        return self.keeper.pid


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    stages: list[Stage] = []

    def make(command: tuple[str, ...] = SLEEPS) -> Stage:
        stages.append(Stage(tmp_path, command))
        return stages[-1]

    yield make
    for one in stages:
        one.keeper.close()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_one_server_is_kept(stage: Callable[..., Stage]) -> None:
    kept = stage()
    assert kept.step() == kept.step(after_s=1000)


def test_server_is_no_member_of_the_group_that_ray_ends_with_its_worker(stage: Callable[..., Stage]) -> None:
    pid = stage().step()
    assert pid is not None
    assert os.getpgid(pid) == pid


def test_server_that_died_is_started_again_at_once_if_it_had_lived_for_long(stage: Callable[..., Stage]) -> None:
    kept = stage()
    first = kept.step()
    assert kept.step(after_s=STABLE_AFTER_S + 1) == first
    assert first is not None
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert kept.step(after_s=FIRST_PAUSE_S) != first


def test_server_that_keeps_dying_is_started_less_and_less_often(stage: Callable[..., Stage]) -> None:
    kept = stage(DIES)
    starts, last = 0, None
    for _ in range(100):
        pid = kept.step(after_s=FIRST_PAUSE_S)
        if pid != last:
            os.waitid(os.P_PID, pid or 0, os.WEXITED | os.WNOWAIT)
            starts, last = starts + 1, pid
    assert 4 <= starts <= 8  # at 0, 5, 15, 35, 75, 155, 315 s


def test_server_of_older_code_is_replaced(stage: Callable[..., Stage]) -> None:
    kept = stage()
    first = kept.step()
    kept.version = "b"
    assert kept.step() != first
    with pytest.raises(ProcessLookupError):
        os.kill(first or 0, 0)


def test_version_follows_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_code_version() == code_version()
    monkeypatch.setattr("utp.__file__", str(tmp_path / "__init__.py"))
    before = read_code_version()
    (tmp_path / "new.py").write_text("new = 1\n")
    assert read_code_version() != before
    assert code_version() == code_version()


def test_server_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """The real server: it is told its parent, and has the kernel watch it."""
    program = f"""
import sys, time
from pathlib import Path
from utp.cluster.warm_keeper import WarmKeeper
keeper = WarmKeeper(Path({str(tmp_path)!r}))
keeper.step()
print(keeper.pid, flush=True)
time.sleep(100)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        wait_until(lambda: next(tmp_path.rglob("warm.lock"), None))  # it runs our code
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{server}").exists())
