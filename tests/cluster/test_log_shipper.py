"""The worker's side: files arrive whole and in order, and the writer waits for nothing."""

from __future__ import annotations

import errno
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utp.cluster import log_shipper
from utp.cluster.log_hub import LogHub
from utp.cluster.log_shipper import MAX_PIECE_BYTES, LogShipper
from utp.logs.line_index import LineIndex
from utp.logs.numbered import read_numbered

RUN = "0123456789abcdef" * 2


class Link:
    """Brings pieces to a hub; `faults` says what happens to the next ones: lost, answer lost, or the hub restarts."""

    def __init__(self, copies: Path) -> None:
        self.copies = copies
        self.faults: Iterator[str] = iter(())
        self.is_down = False
        self.pieces: list[int] = []
        self.restart()

    def restart(self) -> None:
        self.hub = LogHub(self.copies, lambda run_id, attempt: None)

    def send(self, stream: str, offset: int, data: bytes) -> int | None:
        fault = next(self.faults, "")
        if fault == "restart":
            self.restart()
        if self.is_down or fault == "lost":
            raise ConnectionError("the head is away")
        self.pieces.append(len(data))
        following = self.hub.take(RUN, 1, stream, offset, data)
        if fault == "answer lost":
            raise TimeoutError("no answer")
        return following

    def taken(self, stream: str) -> bytes:
        return self.hub.file(RUN, 1, stream).read_bytes()


@pytest.fixture
def link(tmp_path: Path) -> Link:
    return Link(tmp_path / "home")


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_shipper, "BACK_OFF_S", (0.001, 0.002))
    monkeypatch.setattr(log_shipper, "INTERVAL_S", 0.001)


def test_file_that_appears_later_is_followed(tmp_path: Path, link: Link) -> None:
    shipper = LogShipper(link.send, {"rank0.log": tmp_path / "rank0.log"})
    assert not shipper.ship()
    (tmp_path / "rank0.log").write_bytes(b"one\n")
    shipper.ship()
    assert link.taken("rank0.log") == b"one\n"


def test_pieces_are_bounded(tmp_path: Path, link: Link) -> None:
    (tmp_path / "rank0.log").write_bytes(b"x" * (2 * MAX_PIECE_BYTES + 1))
    shipper = LogShipper(link.send, {"rank0.log": tmp_path / "rank0.log"})
    while shipper.ship():
        pass
    assert link.pieces == [MAX_PIECE_BYTES, MAX_PIECE_BYTES, 1]


def test_superseded_worker_sends_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "rank0.log").write_bytes(b"one\n")
    shipper = LogShipper(lambda stream, offset, data: None, {"rank0.log": tmp_path / "rank0.log"})
    shipper.start()
    assert not shipper.close(deadline_s=10)
    assert shipper.is_fenced


@given(
    faults=st.lists(st.sampled_from(["", "lost", "answer lost", "restart"]), max_size=12),
    writes=st.lists(st.binary(max_size=12), max_size=8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_byte_arrives_once_whatever_is_lost(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, faults: list[str], writes: list[bytes]
) -> None:
    monkeypatch.setattr(log_shipper, "MAX_PIECE_BYTES", 5)
    folder = tmp_path_factory.mktemp("worker")
    files = {name: folder / name for name in ("rank0.log", "metrics.jsonl")}
    link = Link(folder / "home")
    link.faults = iter(faults)
    shipper = LogShipper(link.send, files)
    for data in [*writes, *[b""] * 60]:
        for file in files.values():
            with file.open("ab") as writer:
                writer.write(data)
        try:
            shipper.ship()
        except OSError:
            continue
    assert shipper.is_complete()
    for name, file in files.items():
        assert not file.read_bytes() or link.taken(name) == file.read_bytes()


@pytest.mark.usefixtures("fast")
def test_head_that_was_away_misses_nothing(tmp_path: Path, link: Link) -> None:
    log = tmp_path / "rank0.log"
    shipper = LogShipper(link.send, {"rank0.log": log})
    shipper.start()
    generator = random.Random(0)
    with log.open("ab", buffering=0) as file:
        for number in range(300):
            file.write(b"%d %s\n" % (number, b"x" * generator.randrange(2000)))
            if number == 100:
                link.is_down = True
            if number == 200:
                link.restart()
                link.is_down = False
    assert shipper.close(deadline_s=30)
    assert link.taken("rank0.log") == log.read_bytes()


@pytest.mark.usefixtures("fast")
def test_what_was_written_before_the_end_is_brought_over_at_the_end(tmp_path: Path, link: Link) -> None:
    log = tmp_path / "rank0.log"
    for _ in range(20):
        shipper = LogShipper(link.send, {"rank0.log": log})
        shipper.start()
        with log.open("ab") as file:
            file.write(b"the last word\n")
        assert shipper.close(deadline_s=30)
        assert link.taken("rank0.log") == log.read_bytes()


def test_end_does_not_wait_longer_than_its_deadline(tmp_path: Path, link: Link) -> None:
    (tmp_path / "rank0.log").write_bytes(b"one\n")
    link.is_down = True
    shipper = LogShipper(link.send, {"rank0.log": tmp_path / "rank0.log"})
    shipper.start()
    began = time.monotonic()
    assert not shipper.close(deadline_s=0.2)
    assert time.monotonic() - began < 2
    shipper._thread.join(10)
    assert not shipper._thread.is_alive()


def test_head_that_hangs_holds_up_nobody(tmp_path: Path) -> None:
    log, is_over = tmp_path / "rank0.log", threading.Event()

    def hang(stream: str, offset: int, data: bytes) -> int:
        is_over.wait(30)
        return offset + len(data)

    log.write_bytes(b"one\n")
    shipper = LogShipper(hang, {"rank0.log": log})
    shipper.start()
    began = time.monotonic()
    with log.open("ab", buffering=0) as file:
        for _ in range(1000):
            file.write(b"line\n")
    assert not shipper.close(deadline_s=0.1)
    assert time.monotonic() - began < 5
    is_over.set()


def test_waits_grow_and_differ(tmp_path: Path, link: Link) -> None:
    shipper = LogShipper(link.send, {})
    waits = [shipper._back_off_s(failures) for failures in (1, 1, 5, 50)]
    assert waits[0] != waits[1]
    assert 0.05 < waits[0] < 0.3
    assert 1 < waits[2] < 5
    assert waits[3] <= 5


def test_log_that_outgrows_its_limit_loses_its_middle_here_and_in_the_copy(tmp_path: Path, link: Link) -> None:
    limit = 1 << 20
    link.hub = LogHub(link.copies, lambda run_id, attempt: None, limit)
    log, metrics = tmp_path / "rank0.log", tmp_path / "metrics.jsonl"
    shipper = LogShipper(link.send, {"rank0.log": log, "metrics.jsonl": metrics}, limit)
    for first in range(0, 40_000, 1000):  # as a run that never ends to write
        with log.open("ab") as file, metrics.open("ab") as rows:
            for number in range(first, first + 1000):
                file.write(f"line {number} ".encode().ljust(199, b".") + b"\n")
                rows.write(b'{"step": 1}\n' * 10)
        while shipper.ship():
            assert log.stat().st_blocks * 512 < 1.5 * limit
    copy = link.hub.file(RUN, 1, "rank0.log")
    for file in (log, copy):
        assert file.stat().st_size == 40_000 * 200
        assert file.stat().st_blocks * 512 < 1.2 * limit
        page = read_numbered(LineIndex(file), -100, 100, is_live=False)
        assert [line.text.split()[1] for line in page.lines] == [str(39_900 + n) for n in range(100)]
        assert page.lines[-1].line == 39_999
    assert link.taken("metrics.jsonl") == metrics.read_bytes()
    assert metrics.stat().st_size > 2 * limit
    assert b"\0" not in metrics.read_bytes()


def test_what_has_not_arrived_is_not_dropped(tmp_path: Path, link: Link) -> None:
    log = tmp_path / "rank0.log"
    shipper = LogShipper(link.send, {"rank0.log": log}, 1 << 20)
    log.write_bytes(b"x" * 99 + b"\n")
    shipper.ship()
    link.is_down = True
    with log.open("ab") as file:
        file.write((b"y" * 99 + b"\n") * 50_000)
    with pytest.raises(ConnectionError):
        shipper.ship()
    assert b"\0" not in log.read_bytes()
    expected = log.read_bytes()
    link.is_down = False
    while shipper.ship():
        pass
    assert link.taken("rank0.log") == expected
    assert log.stat().st_blocks * 512 < 1.2 * (1 << 20)


def test_limit_that_can_not_be_kept_is_said_once_and_costs_nothing(
    tmp_path: Path, link: Link, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tries = list[object]()

    def refuse(*asked: object) -> None:
        tries.append(asked)
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(log_shipper, "shorten", refuse)
    log = tmp_path / "rank0.log"
    shipper = LogShipper(link.send, {"rank0.log": log}, 1 << 20)
    log.write_bytes((b"y" * 99 + b"\n") * 50_000)
    while shipper.ship():
        pass
    assert link.taken("rank0.log") == log.read_bytes()
    said = capsys.readouterr().err
    assert said.count("can't be kept within UTP_MAX_LOG_BYTES: Operation not supported") == 1
    assert len(tries) == 1  # each would read the whole log
