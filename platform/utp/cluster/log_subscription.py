"""`Subscription`: what one follower of a log has not taken yet, bounded.

Who is too slow gets a gap, to be filled from the file, and slows nobody.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MAX_WAITING_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of the file."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.start + len(self.data)


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes that are not sent, to be read from the file."""

    start: int
    end: int


class Subscription:
    """The bytes from an offset on, each in a chunk or in a gap, once and in order. Thread-safe.

    Args:
        offset: of the first byte wanted.
        known_end: offset up to which the file is there already.
        notify: called when there is something to take.
    """

    def __init__(self, offset: int, known_end: int, notify: Callable[[], None] = lambda: None) -> None:
        self._waiting: deque[Chunk] = deque()
        self._waiting_bytes = 0
        self._taken_to = offset
        self._next = max(offset, known_end)
        self._notify = notify
        self._changed = threading.Condition()
        self.is_closed = False
        """Whether nothing more will come."""

    def publish(self, chunk: Chunk) -> None:
        """Add bytes; when too many wait, all that wait become a gap."""
        with self._changed:
            if chunk.end <= self._next or self.is_closed:
                return
            if chunk.start < self._next:
                chunk = Chunk(self._next, chunk.data[self._next - chunk.start :])
            if self._waiting_bytes + len(chunk.data) > MAX_WAITING_BYTES or chunk.start > self._next:
                self._waiting.clear()
                self._waiting_bytes = 0
            self._waiting.append(chunk)
            self._waiting_bytes += len(chunk.data)
            self._next = chunk.end
            self._changed.notify_all()
        self._notify()

    def take(self, timeout_s: float = 0.0) -> list[Chunk | Gap]:
        """Return what has come since the last call, or wait for it; empty when the time is over or it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken_to < self._next or self.is_closed, timeout_s)
            items: list[Chunk | Gap] = list(self._waiting)
            start = self._waiting[0].start if self._waiting else self._next
            if self._taken_to < start:
                items.insert(0, Gap(self._taken_to, start))
            self._waiting.clear()
            self._waiting_bytes = 0
            self._taken_to = max(self._taken_to, self._next)
            return items

    def close(self) -> None:
        """Let nothing more in; what waits can still be taken."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()
        self._notify()
