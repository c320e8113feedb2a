"""A log that is written faster than it is read: its newest lines come soon, by their right numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from utp.api.events.log_feed import CATCH_UP_BYTES, MAX_BEHIND_BYTES, LogFeed, LogTail, to_pieces
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
