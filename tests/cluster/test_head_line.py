"""The line to the head against a head that is a plain object: away, back, of another opinion, or not there at all."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.fake_head import FakeHead

from utp.cluster.head_line import HeadLine, HeadNotReached
from utp.errors import AttemptSuperseded


@pytest.fixture
def head() -> FakeHead:
    return FakeHead()


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def line(head: FakeHead, notes: list[str], tmp_path: Path) -> HeadLine:
    run = ("id", 2, "name")
    return HeadLine(lambda: head, run, tmp_path / "stop", notes.append, lease_s=0.2, interval_s=0.01)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def test_start_progress_and_end_are_told(line: HeadLine, head: FakeHead) -> None:
    line.tell_started({"start_step": 0})
    line.tell_progress(7, 2, "saving")
    line.start()
    wait_until(lambda: ("beat", "id", 2, 7, 2, "saving") in head.calls)
    line.close({"outcome": "succeeded"})
    assert head.calls[0] == ("started", "id", 2, {"start_step": 0})
    assert head.calls.count(head.calls[0]) == 1
    assert head.calls[-1] == ("ended", "id", 2, {"outcome": "succeeded"})


@pytest.mark.parametrize("wish", ["stop", "pause", "preempt"])
def test_wish_is_heard(line: HeadLine, head: FakeHead, wish: str) -> None:
    head.wish = wish
    line.start()
    wait_until(line.should_stop)
    assert line.wish == wish
    line.check_lease()  # it may still save
    line.close({})


def test_stop_file_is_a_wish_as_well(line: HeadLine, tmp_path: Path) -> None:
    line.start()
    assert not line.should_stop()
    (tmp_path / "stop").touch()
    wait_until(line.should_stop)
    line.close({})


def test_superseded_attempt_leaves_and_saves_nothing(line: HeadLine, head: FakeHead) -> None:
    head.wish = None
    line.start()
    wait_until(line.should_stop)
    with pytest.raises(AttemptSuperseded):
        line.check_lease()


def test_commit_waits_for_a_head_that_is_away(line: HeadLine, head: FakeHead, notes: list[str]) -> None:
    line.start()
    wait_until(head.beaten.is_set)
    head.is_away = True
    wait_until(lambda: notes)
    time.sleep(0.25)  # the lease is over
    committed = threading.Event()
    commit = threading.Thread(target=lambda: (line.check_lease(), committed.set()))
    commit.start()
    assert not committed.wait(0.1)
    assert not line.should_stop()  # training goes on
    head.is_away = False
    assert committed.wait(20)
    commit.join()
    line.close({})
    assert notes[0].startswith("the head can't be reached (nobody there); training goes on")
    assert notes[-1] == "the head is there again"


def test_head_that_stays_away_costs_the_attempt(
    line: HeadLine, head: FakeHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utp.cluster.head_line.MAX_SILENCE_S", 0.1)
    head.is_away = True
    line.start()
    time.sleep(0.25)
    with pytest.raises(HeadNotReached, match="another attempt may have been started"):
        line.check_lease()
    line.close({})


def test_without_a_platform_everything_may_be_saved(tmp_path: Path) -> None:
    line = HeadLine(lambda: None, ("", 1, "name"), tmp_path / "stop", print, lease_s=0.0, interval_s=0.01)
    line.start()
    line.check_lease()
    assert line.send("rank0.log", 0, b"x") is None
    line.close({})


class StutteringPath(type(Path())):  # type: ignore[misc]  # the class of this system's paths
    def exists(self) -> bool:
        raise OSError(errno.ESTALE, "stale file handle")


def test_beats_go_on_while_the_storage_stutters(head: FakeHead) -> None:
    def refuse(sentence: str) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    head.is_away = True
    line = HeadLine(lambda: head, ("id", 2, "name"), StutteringPath("stop"), refuse, lease_s=0.2, interval_s=0.01)
    line.start()
    assert not head.beaten.wait(0.1)
    head.is_away = False
    assert head.beaten.wait(20)
    line.check_lease()
    head.is_away = True
    line.close({"outcome": "succeeded"})
