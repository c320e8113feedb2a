"""`Window`: how much a client may have outstanding.

Not every way to a client holds the sender back: Ray Serve's proxy takes all that the app sends, and keeps it in memory
for a client that reads slowly. So the client says how far it has read.
"""

from __future__ import annotations

import asyncio
from collections import deque

SIZE = 1 << 20
"""Characters that were sent and that the client has not said to have read; with more nothing is sent."""
MARK_EVERY = SIZE // 4


class Window:
    """Counts what was sent and what was read. Used on the event loop only."""

    def __init__(self) -> None:
        self._sent = 0
        self._seen = 0
        self._marks: deque[tuple[int, int]] = deque()
        self._next = 1
        self._marked = 0
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_lifted = False

    async def wait(self) -> None:
        """Wait until more may be sent."""
        await self._has_room.wait()

    def count(self, characters: int) -> int | None:
        """Count what is sent; return the number of a mark that should follow it, now and then."""
        self._sent += characters
        self._judge()
        if self._sent - self._marked < MARK_EVERY:
            return None
        self._marked, number = self._sent, self._next
        self._marks.append((number, self._sent))
        self._next += 1
        return number

    def note_seen(self, number: int) -> None:
        """Take the client's word that it has read all up to a mark; one that was never sent counts for nothing."""
        if number >= self._next:
            return
        while self._marks and self._marks[0][0] <= number:
            self._seen = self._marks.popleft()[1]
        self._judge()

    def lift(self) -> None:
        """Let all pass: the last words go out in any case."""
        self._is_lifted = True
        self._judge()

    def _judge(self) -> None:
        if self._is_lifted or self._sent - self._seen < SIZE:
            self._has_room.set()
        else:
            self._has_room.clear()
