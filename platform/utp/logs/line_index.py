"""`LineIndex`: where the lines of a log begin, counted once, so that a page by line number is one short read."""

from __future__ import annotations

import os
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from utp.logs.places import open_log
from utp.logs.shortening import first_hole, is_hole, next_data

STRIDE_BYTES = 64 << 10
"""A count is kept for so many bytes: 8 bytes of memory each, and the most that is read to find a line."""
MAX_INDEXES = 256
"""Files whose counts are kept, the ones used last."""
MIN_DROPPED_BYTES = 32 << 10
"""What is dropped from a log at once is more, and what a file system has not put into blocks yet mostly less."""
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class IndexedFile:
    """One state of a file: it may grow behind `size_bytes` meanwhile."""

    file: BinaryIO
    size_bytes: int
    num_newlines: int
    counts: array[int]
    """Newlines before each stride."""

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes of a range, none behind `size_bytes`."""
        self.file.seek(start)
        return self.file.read(max(0, min(end, self.size_bytes) - start))

    def offset_of(self, line: int) -> int:
        """Return where line number `line` (0 or more) begins; behind the last newline that is the file's end."""
        if line <= 0:
            return 0
        if line > self.num_newlines:
            return self.size_bytes
        stride = bisect_left(self.counts, line) - 1
        data = self.read(stride * STRIDE_BYTES, (stride + 1) * STRIDE_BYTES)
        rest = data.split(b"\n", line - self.counts[stride])[-1]
        return stride * STRIDE_BYTES + len(data) - len(rest)

    def line_at(self, offset: int) -> int:
        """Return the number of the line that holds the byte at an offset."""
        stride = min(offset // STRIDE_BYTES, len(self.counts) - 1)
        return self.counts[stride] + self.read(stride * STRIDE_BYTES, offset).count(b"\n")

    @property
    def num_lines(self) -> int:
        """Lines, the one whose newline has not come with them."""
        return self.num_newlines + (self.offset_of(self.num_newlines) < self.size_bytes)


class LineIndex:
    """The counts of one file that grows. Thread-safe; who reads waits for nobody but the first count of its bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._identity: tuple[int, int] | None = None
        self._missing_bytes = 0
        self._hole: tuple[int, int] | None = None
        self._start_over()

    @contextmanager
    def opened(self) -> Iterator[IndexedFile]:
        """Open the file, all that is in it counted. Raises `FileNotFoundError`."""
        with open_log(self._path) as file:
            with self._lock:
                self._extend(file)
                state = IndexedFile(file, self._size_bytes, self._num_newlines, self._counts)
            yield state

    def _start_over(self) -> None:
        self._size_bytes = self._num_newlines = 0
        self._counts = array("q", [0])

    def _extend(self, file: BinaryIO) -> None:
        status = os.fstat(file.fileno())
        if (
            self._identity != (status.st_dev, status.st_ino)
            or status.st_size < self._size_bytes
            or self._is_shortened(file, status)
        ):
            self._start_over()  # another file, or one that was cut off, or whose newlines were moved
            self._identity = (status.st_dev, status.st_ino)
        file.seek(self._size_bytes)
        while self._size_bytes < status.st_size:
            wanted = min(_READ_BYTES - self._size_bytes % _READ_BYTES, status.st_size - self._size_bytes)
            if not (data := file.read(wanted)):
                break
            self._count(data)
            if is_hole(data) and (following := next_data(file.fileno(), self._size_bytes)) > self._size_bytes:
                self._skip(min(following, status.st_size))
                file.seek(self._size_bytes)

    def _is_shortened(self, file: BinaryIO, status: os.stat_result) -> bool:
        """Whether more of the middle was dropped since the last look; asked at length only where blocks are missing."""
        missing, before = status.st_size - status.st_blocks * 512, self._missing_bytes
        self._missing_bytes = missing
        if missing <= max(0, before) + MIN_DROPPED_BYTES:
            return False
        hole, self._hole = self._hole, first_hole(file.fileno(), status.st_size)
        return self._hole != hole

    def _count(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            end = min(len(data), position + STRIDE_BYTES - self._size_bytes % STRIDE_BYTES)
            self._num_newlines += data.count(b"\n", position, end)
            self._size_bytes += end - position
            position = end
            if self._size_bytes % STRIDE_BYTES == 0:
                self._counts.append(self._num_newlines)

    def _skip(self, end: int) -> None:
        """Count a hole, in which there is no newline."""
        num_strides = end // STRIDE_BYTES - self._size_bytes // STRIDE_BYTES
        self._counts.extend([self._num_newlines] * num_strides)
        self._size_bytes = end


class LineIndexes:
    """The indexes of the files used last. Thread-safe."""

    def __init__(self, max_indexes: int = MAX_INDEXES) -> None:
        self._max_indexes = max_indexes
        self._lock = threading.Lock()
        self._indexes: OrderedDict[Path, LineIndex] = OrderedDict()

    def of(self, path: Path) -> LineIndex:
        """Return the index of a file, which need not exist yet."""
        with self._lock:
            index = self._indexes.pop(path, None) or LineIndex(path)
            self._indexes[path] = index
            while len(self._indexes) > self._max_indexes:
                self._indexes.popitem(last=False)
            return index
