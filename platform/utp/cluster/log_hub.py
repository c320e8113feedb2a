"""`LogHub`: takes the files of running attempts piece by piece, and keeps a copy where the head can't see them.

The worker's file is the source. A hub that was restarted finds out from the files how far it is; nobody is counted on
to remember. Who follows a log reads the same file (`utp.api.events.log_feeds`), so that a slow reader is nothing that
the hub would know of.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from utp.logs.places import RUN_ID, STREAM
from utp.logs.shortening import shorten
from utp.settings import MAX_LOG_BYTES

MAX_TAKE_BYTES = 1 << 20
METRICS = "metrics.jsonl"

StreamKey = tuple[str, int, str]
"""Run id, attempt, file name."""


class LogHub:
    """Files of running attempts, live. Thread-safe; streams do not wait for each other.

    Args:
        copies: folder for the head's own copies.
        find_attempt: gives the directory in which a worker says it writes an attempt; None if that is unknown.
        max_log_bytes: what a copy of a log may take of the disk.
    """

    def __init__(
        self, copies: Path, find_attempt: Callable[[str, int], Path | None], max_log_bytes: int = MAX_LOG_BYTES
    ) -> None:
        self._copies = copies
        self._find_attempt = find_attempt
        self._max_log_bytes = max_log_bytes
        self._lock = threading.Lock()
        self._streams: dict[StreamKey, _Stream] = {}

    def take(self, run_id: str, attempt: int, stream: str, offset: int, data: bytes) -> int:
        """Take bytes of a file; return the offset to go on from.

        That is `offset + len(data)`; an earlier one where bytes before `offset` are missing here, and a later one
        where all this was taken before. Raises `OSError` where the copy can't be written: it is to be sent again.
        """
        if offset < 0 or len(data) > MAX_TAKE_BYTES:
            raise ValueError(f"offset has to be 0 or more and data {MAX_TAKE_BYTES} bytes, got {offset}, {len(data)}")
        return self._stream(run_id, attempt, stream).take(offset, data)

    def file(self, run_id: str, attempt: int, stream: str) -> Path:
        """Return where the file can be read on the head: the worker's own, or the copy. It may not exist yet."""
        return self._stream(run_id, attempt, stream).file

    def forget(self, run_id: str, attempt: int) -> None:
        """Let go of an attempt that has ended; its files stay."""
        self._forget(lambda key: key[:2] == (run_id, attempt))

    def forget_others(self, live: Collection[tuple[str, int]]) -> None:
        """Let go of all attempts but these: a worker beside the first may still have sent lines of one that ended."""
        self._forget(lambda key: key[:2] not in live)

    def _forget(self, is_over: Callable[[StreamKey], bool]) -> None:
        with self._lock:
            for key in [key for key in self._streams if is_over(key)]:
                del self._streams[key]

    def _stream(self, run_id: str, attempt: int, stream: str) -> _Stream:
        is_log = STREAM.fullmatch(stream) is not None
        if not RUN_ID.fullmatch(run_id) or attempt < 1 or not (is_log or stream == METRICS):
            raise ValueError(f"no such stream: run_id {run_id!r}, attempt {attempt}, stream {stream!r}")
        key = (run_id, attempt, stream)
        with self._lock:
            found = self._streams.get(key)
        if found is None:
            directory = self._find_attempt(run_id, attempt)  # outside the lock: it may ask the store
            copy = self._copies / run_id / str(attempt) / stream
            original = directory / stream if directory else None
            found = _Stream(copy, original, self._max_log_bytes if is_log else None)
            with self._lock:
                found = self._streams.setdefault(key, found)
        return found


class _Stream:
    """One file of one attempt."""

    def __init__(self, copy: Path, original: Path | None, max_bytes: int | None) -> None:
        self._copy = copy
        self._original = original
        self._max_bytes = max_bytes
        self._looked_at = 0
        """Offset up to which the copy's length has been looked at."""
        self._lock = threading.Lock()
        self._is_copied = copy.exists()
        self._next: int | None = copy.stat().st_size if self._is_copied else None
        """Offset of the first byte not taken; None before the first piece."""

    @property
    def file(self) -> Path:
        if self._is_copied or self._original is None or not self._original.exists():
            return self._copy
        return self._original

    def take(self, offset: int, data: bytes) -> int:
        with self._lock:
            if self._next is None:
                self._next = self._begin(offset, data)
            if offset > self._next:
                return self._next
            fresh = data[self._next - offset :]
            if fresh:
                if self._is_copied:
                    self._write(self._next, fresh)
                self._next += len(fresh)
            return self._next

    def _write(self, offset: int, data: bytes) -> None:
        _write_at(self._copy, offset, data)
        if self._max_bytes is not None and offset - self._looked_at >= self._max_bytes // 16:
            self._looked_at = offset
            try:
                shorten(self._copy, self._max_bytes)
            except OSError as error:  # what was taken is taken: the copy grows on
                if error.errno == errno.EOPNOTSUPP:  # for good; each try reads all that would have to go
                    self._max_bytes = None

    def _begin(self, offset: int, data: bytes) -> int:
        """Find out whether the head sees the worker's file; if not, the copy starts from the first byte."""
        if self._original is not None and _holds(self._original, offset, data):
            return offset
        self._copy.parent.mkdir(parents=True, exist_ok=True)
        self._copy.touch()
        self._is_copied = True
        return 0


def _holds(path: Path, offset: int, data: bytes) -> bool:
    """Whether a file holds these bytes at this place: then it is the one that the worker writes."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(len(data)) == data
    except OSError:
        return False


def _write_at(path: Path, offset: int, data: bytes) -> None:
    """Write all of `data`; after an error the same bytes are written to the same place again."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o640)
    try:
        written = 0
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], offset + written)
    finally:
        os.close(descriptor)
