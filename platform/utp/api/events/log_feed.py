"""Logs as they grow: a followed file is read once, however many follow it, and its newest lines are kept in memory.

`LogTail` reads, in one thread for all files; `LogFeed` is what followers take from, on the event loop.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from utp.api.events.pump import AFTER_FAULT_S
from utp.api.logs.service import to_line_json
from utp.logs.line_index import LineIndexes
from utp.logs.lines import LineSplitter
from utp.logs.numbered import NumberedLine, numbered
from utp.logs.places import open_log

MAX_KEPT_BYTES = 1 << 20
"""Of a log's newest lines; who is further behind reads the file, or gets a gap."""
MAX_READ_BYTES = 256 << 10
"""Of one file in one look, so that a flood delays no other log."""
MAX_BEHIND_BYTES = 1 << 20
"""Of a file that is written faster than it is read; of more only the last `CATCH_UP_BYTES` are read."""
CATCH_UP_BYTES = 256 << 10
PIECE_BYTES = 32 << 10
"""Of lines in one message: a follower that can't take more is noticed that soon."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines that follow each other, each as JSON."""

    start: int
    lines: Sequence[str]

    @property
    def end(self) -> int:
        """Number of the line behind the last one."""
        return self.start + len(self.lines)

    def json_from(self, line: int) -> str:
        """Return the lines from a number on as a JSON list."""
        return f"[{','.join(self.lines[line - self.start :] if line > self.start else self.lines)}]"


class LogTail:
    """Reads what is appended to one log; used by one thread at a time.

    Args:
        find: says where the log is; asked again until it is there.
        indexes: count the lines that are there already.
    """

    def __init__(self, find: Callable[[], Path], indexes: LineIndexes) -> None:
        self._find = find
        self._indexes = indexes
        self._file: BinaryIO | None = None
        self._splitter = LineSplitter()
        self._offset = 0
        self._number = 0
        self._rests_until_s = 0.0

    def begin(self) -> int:
        """Go to the end of what is there; return the number of the next line."""
        path = self._find()
        try:
            with self._indexes.of(path).opened() as state:
                self._number, self._offset = state.num_newlines, state.offset_of(state.num_newlines)
            self._file = open_log(path)
        except FileNotFoundError:
            self._number = self._offset = 0
        self._splitter = LineSplitter(self._offset)
        return self._number

    def read(self) -> list[NumberedLine]:
        """Return lines that were ended since the last call, the newest ones of a flood. Raises `OSError`."""
        if self._file is None and time.monotonic() >= self._rests_until_s:
            self._file = self._open()
        if self._file is None:
            return []
        descriptor = self._file.fileno()
        size = os.fstat(descriptor).st_size
        if size <= self._offset:
            return []
        if size - self._offset > MAX_BEHIND_BYTES:
            self._skip(descriptor, size - CATCH_UP_BYTES)
        data = os.pread(descriptor, MAX_READ_BYTES, self._offset)
        self._offset += len(data)
        lines = []
        for raw in self._splitter.feed(data):
            lines.append(numbered(self._number, raw))
            self._number += 1
        return lines

    def _skip(self, descriptor: int, target: int) -> None:
        """Go to the first line that begins behind an offset; what is passed by is only counted."""
        while self._offset < target:
            passed = os.pread(descriptor, min(MAX_READ_BYTES, target - self._offset), self._offset)
            if not passed:
                return  # cut off meanwhile
            for _ in self._splitter.feed_without_middle(passed):
                continue  # the line that goes on from before is passed by as well
            self._number += passed.count(b"\n")
            self._offset += len(passed)

    def rest(self) -> None:
        """Open the file anew in a while: after a fault of its storage the one that is open may stay useless."""
        self._rests_until_s = time.monotonic() + AFTER_FAULT_S
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            with suppress(OSError):  # it is read only: there is nothing that could be lost
                self._file.close()
            self._file = None

    def _open(self) -> BinaryIO | None:
        try:
            return open_log(self._find())
        except FileNotFoundError:
            return None


class LogFeed:
    """The newest lines of one log, and who waits for more. Used on the event loop only."""

    def __init__(self, next_line: int) -> None:
        self.next_line = next_line
        self.followers: set[Callable[[], None]] = set()
        self._pieces: deque[Piece] = deque()
        self._num_bytes = 0

    @property
    def first_line(self) -> int:
        """Number of the first line that is kept."""
        return self._pieces[0].start if self._pieces else self.next_line

    def add(self, pieces: Sequence[Piece]) -> None:
        """Take lines, and wake those who wait; where lines were passed by, those before them are kept no more."""
        for piece in pieces:
            if piece.start != self.next_line:
                self._pieces.clear()
                self._num_bytes = 0
            self._pieces.append(piece)
            self._num_bytes += _size(piece)
            self.next_line = piece.end
        while self._num_bytes > MAX_KEPT_BYTES:
            self._num_bytes -= _size(self._pieces.popleft())
        for wake in tuple(self.followers):
            wake()

    def piece_with(self, line: int) -> Piece:
        """Return the piece that holds a line that is kept."""
        return next(piece for piece in reversed(self._pieces) if piece.start <= line)


def to_pieces(lines: Sequence[NumberedLine]) -> list[Piece]:
    """Return consecutive lines in pieces of about `PIECE_BYTES`."""
    pieces, batch, size = list[Piece](), list[str](), 0
    for line in lines:
        text = to_line_json(line)
        batch.append(text)
        size += len(text)
        if size >= PIECE_BYTES:
            pieces.append(Piece(line.line + 1 - len(batch), batch))
            batch, size = [], 0
    if batch:
        pieces.append(Piece(lines[-1].line + 1 - len(batch), batch))
    return pieces


def _size(piece: Piece) -> int:
    return sum(map(len, piece.lines))
