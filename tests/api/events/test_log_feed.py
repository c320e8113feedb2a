"""A log that is written faster than it is read: its newest lines come soon, by their right numbers."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from utp.api.events.log_feed import (
    CATCH_UP_BYTES,
    MAX_BEHIND_BYTES,
    MAX_READ_BYTES,
    LogFeed,
    LogTail,
    to_pieces,
)
from utp.api.events.log_feeds import _read_all
from utp.api.events.pump import AFTER_FAULT_S
from utp.logs.line_index import LineIndexes


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "rank0.log"
    path.write_bytes(b"line 0\nline 1\nhalf of ")
    return path


@pytest.fixture
def tail(log: Path) -> Iterator[LogTail]:
    tail = LogTail(lambda: log, LineIndexes())
    assert tail.begin() == 2
    yield tail
    tail.close()


def append(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


def test_flood_is_left_out_but_for_its_end(log: Path, tail: LogTail) -> None:
    feed = LogFeed(2)
    append(log, b"line 2\n")
    feed.add(to_pieces(tail.read()))
    assert (feed.first_line, feed.next_line) == (2, 3)
    last = 3 + 3 * MAX_BEHIND_BYTES // 16
    append(log, b"".join(b"line %010d\n" % number for number in range(3, last)))
    lines = tail.read()
    feed.add(to_pieces(lines))
    assert [int(line.text.split()[-1]) for line in lines] == [line.line for line in lines]
    assert lines[0].line > 3
    while feed.next_line < last:
        feed.add(to_pieces(tail.read()))
    assert last - feed.first_line <= CATCH_UP_BYTES // 16
    assert feed.piece_with(last - 1).end == last


def test_line_that_is_longer_than_all_that_is_left_out_is_read_on(log: Path, tail: LogTail) -> None:
    append(log, b"x" * 2 * MAX_BEHIND_BYTES)
    while not (lines := tail.read()):
        append(log, b"y\nafter\n")
    while lines[-1].text != "after":
        lines += tail.read()
    assert [line.line for line in lines][:2] == [2, 3]
    assert lines[0].text.startswith("half of xxx")


def test_flood_is_passed_by_in_pieces_whatever_its_size(
    log: Path, tail: LogTail, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def read(descriptor: int, size: int, offset: int) -> bytes:
        sizes.append(size)
        return pread(descriptor, size, offset)

    pread = os.pread
    monkeypatch.setattr(os, "pread", read)
    append(log, b"line 2\n" + b"p" * 3 * MAX_BEHIND_BYTES + b"\r50%\nline 4\n" + b"q" * CATCH_UP_BYTES + b"\nline 6\n")
    lines = tail.read()
    while lines[-1].text != "line 6":
        lines += tail.read()
    assert max(sizes) <= MAX_READ_BYTES
    assert (lines[-1].line, len(lines)) == (6, lines[-1].line - lines[0].line + 1)


def test_log_whose_storage_failed_is_opened_anew_after_a_while_and_one_warning(
    log: Path, tail: LogTail, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = ("a" * 32, 1, "rank0.log")
    append(log, b"line 2\n")
    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", stale)
        assert [_read_all({key: tail}) for _ in range(3)] == [{}, {}, {}]
        assert len(caplog.messages) == 1
    assert _read_all({key: tail}) == {}, "it rests"
    later_s = time.monotonic() + 2 * AFTER_FAULT_S
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: later_s)
        (piece,) = _read_all({key: tail})[key]
    assert (piece.start, len(piece.lines)) == (2, 1)


def stale(*_: int) -> bytes:
    raise OSError(errno.ESTALE, "Stale file handle")
