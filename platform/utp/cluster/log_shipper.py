"""`LogShipper`: brings an attempt's files to the head while they are written.

The files are the truth. It reads them by byte offset, a piece at a time, and moves on when the head has acknowledged:
what the writer does never waits for it, its memory is one piece, and a head that was away misses nothing. Of a log that
outgrows its limit it drops the middle, once that has arrived.
"""

from __future__ import annotations

import errno
import os
import random
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from utp.logs.places import LOG_SUFFIX
from utp.logs.shortening import shorten
from utp.settings import MAX_LOG_BYTES

MAX_PIECE_BYTES = 256 << 10
INTERVAL_S = 0.03
"""Between two rounds: lines written meanwhile go as one piece. Caps what a flood takes of a core, at 8 MB/s a file."""
BACK_OFF_S = (0.1, 5.0)
"""The first and the longest wait after an error."""

Send = Callable[[str, int, bytes], int | None]
"""(stream, offset, data) to the offset to go on from, or None if superseded; `OSError` if the head can't be reached."""


class LogShipper:
    """Follows files from a thread of its own.

    Args:
        send: brings a piece to the head.
        files: stream name to the file, which need not exist yet.
        max_log_bytes: what a log, of these files, may take of the disk.
    """

    def __init__(self, send: Send, files: Mapping[str, Path], max_log_bytes: int = MAX_LOG_BYTES) -> None:
        self._send = send
        self._files = dict(files)
        self._acknowledged = dict.fromkeys(files, 0)
        self._max_log_bytes = max_log_bytes
        self._looked_at = dict.fromkeys((name for name in files if name.endswith(LOG_SUFFIX)), 0)
        """Of each log what had arrived when its length was looked at."""
        self._is_warned = False
        self._random = random.Random()
        self._closing = threading.Event()
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-shipper", daemon=True)
        self.is_fenced = False
        """Whether the head said that a later attempt has taken over."""

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self, deadline_s: float) -> bool:
        """Bring over what is written by now and end; return whether all of it arrived within the deadline.

        What did not can still be read from the files.
        """
        self._closing.set()
        self._thread.join(deadline_s)
        self._given_up.set()
        return not self._thread.is_alive() and self.is_complete()

    def ship(self) -> bool:
        """Bring over one piece of each file; return whether there may be more. Raises what `send` raises."""
        is_behind = False
        for stream, path in self._files.items():
            offset = self._acknowledged[stream]
            data = _read(path, offset)
            if not data:
                continue
            following = self._send(stream, offset, data)
            if following is None:
                self.is_fenced = True
                return False
            self._acknowledged[stream] = following
            self._keep_within_limit(stream, path)
            is_behind |= len(data) == MAX_PIECE_BYTES or following != offset + len(data)
        return is_behind

    def is_complete(self) -> bool:
        """Whether all that is in the files now has arrived."""
        sizes = {stream: path.stat().st_size if path.exists() else 0 for stream, path in self._files.items()}
        return all(self._acknowledged[stream] >= size for stream, size in sizes.items())

    def _run(self) -> None:
        failures = 0
        while not self.is_fenced and not self._given_up.is_set():
            is_closing = self._closing.is_set()  # asked first: what was written before has to be read after
            try:
                is_behind = self.ship()
                failures = 0
            except OSError:
                failures += 1
                (self._given_up if is_closing else self._closing).wait(self._back_off_s(failures))
                continue
            if is_closing and not is_behind:
                return
            if not is_closing:
                self._closing.wait(INTERVAL_S)

    def _keep_within_limit(self, stream: str, path: Path) -> None:
        known_to = self._acknowledged[stream]
        if known_to - self._looked_at.get(stream, known_to) < self._max_log_bytes // 16:
            return
        self._looked_at[stream] = known_to
        try:
            shorten(path, self._max_log_bytes, known_to)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:  # for good; each try reads all that would have to go
                del self._looked_at[stream]
            if not self._is_warned:
                sys.stderr.write(f"utp: {path} can't be kept within UTP_MAX_LOG_BYTES: {error.strerror}\n")
            self._is_warned = True

    def _back_off_s(self, failures: int) -> float:
        """Longer each time, and random, so that the workers of a restarted head do not all come at once."""
        shortest, longest = BACK_OFF_S
        return min(longest, shortest * 2.0 ** min(failures, 10)) * self._random.uniform(0.5, 1.0)


def _read(path: Path, offset: int) -> bytes:
    """Return what is there from an offset on; without a file object, since this is done 33 times a second."""
    try:
        num_new = path.stat().st_size - offset
        if num_new <= 0:
            return b""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        return os.pread(descriptor, min(num_new, MAX_PIECE_BYTES), offset)  # so much is allocated, whatever is read
    finally:
        os.close(descriptor)
