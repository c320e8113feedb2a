"""Runs as they change: one run, or all of a project. Events come once and in order, rows as they stand behind them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence

from utp.api.events.pump import Wake
from utp.api.events.run_feed import MAX_EVENTS, RowState, RunFeed
from utp.api.events.schemas import SubscribeProject, SubscribeRun
from utp.api.events.sources import SentEvent, Sources

MAX_READY = 100
"""Events that are made into messages at once."""


class EventCursor:
    """The events behind a number, of one run or of all, from memory or from the store.

    Args:
        feed: has the newest.
        sources: have all.
        seq: number of the last event that is known; None: all that are there.
        run_id: of one run; None: of all.
    """

    def __init__(self, feed: RunFeed, sources: Sources, seq: int | None, run_id: str | None = None) -> None:
        self._feed = feed
        self._sources = sources
        self._seq = seq
        self._run_id = run_id

    async def open(self) -> None:
        """Begin; the feed is followed already."""
        if self._seq is None:
            self._seq = self._feed.seq
        elif self._seq > self._feed.seq:  # of a store that was put back to an older state
            self._seq = min(self._seq, await asyncio.to_thread(self._sources.newest_seq))

    async def take(self) -> Sequence[SentEvent]:
        """Return some of the events that follow; empty when there is none."""
        assert self._seq is not None
        recent = self._feed.since(self._seq)
        if recent is None:
            return await self._take_stored()
        taken = recent[:MAX_READY]
        self._seq = taken[-1].seq if taken else self._seq
        return taken if self._run_id is None else [event for event in taken if event.run_id == self._run_id]

    async def _take_stored(self) -> Sequence[SentEvent]:
        assert self._seq is not None
        stored = await asyncio.to_thread(self._sources.events_after, self._seq, self._run_id, MAX_EVENTS)
        last = stored[-1].seq if stored else self._seq
        # Fewer than asked for: it is all there was, so that what memory has from its start on comes next.
        self._seq = last if len(stored) == MAX_EVENTS else max(last, self._feed.start_seq)
        return stored


class RunSubscription:
    """Follows one run."""

    def __init__(self, feed: RunFeed, sources: Sources, asked: SubscribeRun) -> None:
        self._feed = feed
        self._asked = asked
        self._events = EventCursor(feed, sources, asked.after_seq, asked.run_id)
        self._version = 0
        self._ready: deque[str] = deque()
        self._wake: Wake = lambda: None

    async def open(self, wake: Wake) -> None:
        """Begin behind `after_seq`, or with what comes."""
        self._wake = wake
        await self._feed.follow(wake, run_id=self._asked.run_id)
        await self._events.open()

    async def take(self) -> str | None:
        """Return the next event, or the row once all events before it are sent."""
        while not self._ready and (events := await self._events.take()):
            self._ready.extend(_event_message(self._asked.id, event) for event in events)
        if self._ready:
            return self._ready.popleft()
        state = self._feed.rows.get(self._asked.run_id)
        if state is None or state.version <= self._version:
            return None
        self._version = state.version
        return _run_message(self._asked.id, state)

    def close(self) -> None:
        """Follow no more."""
        self._feed.leave(self._wake, run_id=self._asked.run_id)


class ProjectSubscription:
    """Follows the runs of a project."""

    def __init__(self, feed: RunFeed, sources: Sources, asked: SubscribeProject) -> None:
        self._feed = feed
        self._asked = asked
        self._events = EventCursor(feed, sources, asked.after_seq)
        self._version = 0
        self._changed: set[str] = set()
        self._ready: deque[str] = deque()
        self._wake: Wake = lambda: None

    async def open(self, wake: Wake) -> None:
        """Begin behind `after_seq`, or with what comes."""
        self._wake = wake
        await self._feed.follow(wake, project_id=self._asked.project_id)
        await self._events.open()
        self._version = self._feed.version

    async def take(self) -> str | None:
        """Return the next event, or the rows that changed once all events before them are sent."""
        while not self._ready and (events := await self._events.take()):
            await self._feed.read_rows({event.run_id for event in events} - self._feed.rows.keys())
            self._ready.extend(_event_message(self._asked.id, event) for event in events if self._is_mine(event.run_id))
            self._changed |= {event.run_id for event in events if self._is_mine(event.run_id)}
        if not self._ready:
            self._ready.extend(self._take_rows())
        return self._ready.popleft() if self._ready else None

    def close(self) -> None:
        """Follow no more."""
        self._feed.leave(self._wake, project_id=self._asked.project_id)

    def _is_mine(self, run_id: str) -> bool:
        state = self._feed.rows.get(run_id)
        return state is not None and state.row.project_id == self._asked.project_id

    def _take_rows(self) -> Iterator[str]:
        rows = self._feed.rows_since(self._version, self._asked.project_id)
        known = [self._feed.rows[run_id] for run_id in self._changed if run_id in self._feed.rows]
        changed = {state.row.run_id: state for state in [*known, *rows]}
        self._changed.clear()
        self._version = self._feed.version
        return (_run_message(self._asked.id, state) for state in changed.values())


def _event_message(subscription_id: int, event: SentEvent) -> str:
    return f'{{"type":"run_event","id":{subscription_id},"event":{event.json}}}'


def _run_message(subscription_id: int, state: RowState) -> str:
    return f'{{"type":"run","id":{subscription_id},"seq":{state.seq},"run":{state.row.json}}}'
