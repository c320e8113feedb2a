"""What is sent whole whenever it has changed: the queue, and the machines."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from utp.api.events.pump import Pump, Wake
from utp.api.events.sources import Sources
from utp.api.security.permissions import Principal

PERIOD_S = 1.0

Reader = Callable[[Sources, Principal], str]
"""Gives the members of the message as JSON text, without its braces."""
Sight = frozenset[str] | None
"""Projects that somebody sees, None for all: who sees the same shares a snapshot."""


class SnapshotFeed:
    """One topic's newest state, read once for all who see the same. Used on the event loop only."""

    def __init__(self, topic: str, sources: Sources, read: Reader) -> None:
        self.topic = topic
        self.texts: dict[Sight, str] = {}
        self._sources = sources
        self._read = read
        self._seen_by: dict[Sight, Principal] = {}
        self._num_following: Counter[Sight] = Counter()
        self._pump = Pump(topic, self._look, PERIOD_S)

    async def follow(self, principal: Principal, wake: Wake) -> None:
        """Have `wake` called when it has changed; the state is there at once."""
        sight = principal.project_ids
        self._num_following[sight] += 1
        self._seen_by[sight] = principal
        if sight not in self.texts:
            self.texts[sight] = await asyncio.to_thread(self._read, self._sources, principal)
        self._pump.follow(wake)

    def leave(self, principal: Principal, wake: Wake) -> None:
        """End what `follow` began, or was about to."""
        self._pump.leave(wake)
        self._num_following[principal.project_ids] -= 1

    async def close(self) -> None:
        """End all."""
        await self._pump.close()

    async def _look(self) -> None:
        for sight in [sight for sight, number in self._num_following.items() if number <= 0]:
            del self._num_following[sight], self._seen_by[sight]
            self.texts.pop(sight, None)  # it would be old when somebody follows again
        is_changed = False
        for sight, principal in tuple(self._seen_by.items()):
            text = await asyncio.to_thread(self._read, self._sources, principal)
            is_changed |= self.texts.get(sight) != text
            self.texts[sight] = text
        if is_changed:
            self._pump.wake_all()


class SnapshotSubscription:
    """Follows one topic."""

    def __init__(self, feed: SnapshotFeed, principal: Principal, number: int) -> None:
        self._feed = feed
        self._principal = principal
        self._number = number
        self._sent: str | None = None
        self._wake: Wake = lambda: None

    async def open(self, wake: Wake) -> None:
        """Begin with the state as it is."""
        self._wake = wake
        await self._feed.follow(self._principal, wake)

    async def take(self) -> str | None:
        """Return the state if it is another than was sent."""
        text = self._feed.texts.get(self._principal.project_ids)
        if text is None or text == self._sent:
            return None
        self._sent = text
        return f'{{"type":"{self._feed.topic}","id":{self._number},{text}}}'

    def close(self) -> None:
        """Follow no more."""
        self._feed.leave(self._principal, self._wake)
