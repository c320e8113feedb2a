"""`RunFeed`: the store's events in their order, and the rows of the runs that somebody follows.

One look reads the events behind the last number for all followers together; a run's row is read after its events, and
once a second for the progress that makes no events.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from utp.api.events.pump import Pump, Wake
from utp.api.events.sources import SentEvent, SentRun, Sources

PERIOD_S = 0.1
ROWS_EVERY_S = 1.0
MAX_KEPT_EVENTS = 5000
"""Who is further behind reads the store."""
MAX_KEPT_ROWS = 2000
"""Of the runs of a followed project that do not make progress, those that changed last."""
MAX_EVENTS = 1000
"""Read at once."""


@dataclass(frozen=True, slots=True)
class RowState:
    """A run's row as it was last read."""

    row: SentRun
    seq: int
    """All events up to this one are in it."""
    version: int
    """Higher than that of every row read before."""


class RunFeed:
    """Used on the event loop only; the store is read by threads."""

    def __init__(self, sources: Sources) -> None:
        self.seq = 0
        """Number of the newest event that is known."""
        self.rows: dict[str, RowState] = {}
        self.start_seq = 0
        """Events behind this number are in memory."""
        self.version = 0
        """Of the row that was read last."""
        self._sources = sources
        self._events: list[SentEvent] = []
        """Events behind this number are kept."""
        self._run_ids: Counter[str] = Counter()
        self._project_ids: Counter[str] = Counter()
        self._rows_read_at_s = 0.0
        self._starting = asyncio.Lock()
        self._pump = Pump("runs", self._look, PERIOD_S)

    async def follow(self, wake: Wake, *, run_id: str | None = None, project_id: str | None = None) -> None:
        """Have `wake` called when anything has happened to any run, and keep the rows of this run or project."""
        if run_id is not None:
            self._run_ids[run_id] += 1
        if project_id is not None:
            self._project_ids[project_id] += 1
        async with self._starting:
            if not self._pump.followers:
                self.seq = self.start_seq = await asyncio.to_thread(self._sources.newest_seq)
                self._events.clear()
                self.rows.clear()
            self._pump.follow(wake)
        if run_id is not None:
            await self.read_rows([run_id])

    def leave(self, wake: Wake, *, run_id: str | None = None, project_id: str | None = None) -> None:
        """End what `follow` began, or was about to."""
        self._pump.leave(wake)
        for counter, key in ((self._run_ids, run_id), (self._project_ids, project_id)):
            if key is not None:
                counter[key] -= 1
        self._run_ids, self._project_ids = +self._run_ids, +self._project_ids

    async def close(self) -> None:
        """End all."""
        await self._pump.close()

    def since(self, seq: int) -> Sequence[SentEvent] | None:
        """Return the events behind a number; None where the store has to be asked."""
        if seq < self.start_seq:
            return None
        return self._events[bisect_right(self._events, seq, key=lambda event: event.seq) :]

    def rows_since(self, version: int, project_id: str) -> list[RowState]:
        """Return the rows of a project that were read behind a version, in that order."""
        fresh = [row for row in self.rows.values() if row.version > version and row.row.project_id == project_id]
        return sorted(fresh, key=lambda row: row.version)

    async def read_rows(self, run_ids: Collection[str]) -> None:
        """Read the rows of these runs; those that changed get a new version."""
        seq = self.seq
        self._publish_rows(await self._fetch(run_ids), seq)

    async def _look(self) -> None:
        events = await asyncio.to_thread(self._sources.events_after, self.seq, None, MAX_EVENTS)
        run_ids = {event.run_id for event in events}
        wanted = run_ids if self._project_ids else run_ids & self._run_ids.keys()
        if time.monotonic() - self._rows_read_at_s >= ROWS_EVERY_S:
            self._rows_read_at_s = time.monotonic()
            wanted |= await self._live_runs()
        rows = await self._fetch(wanted)
        # From here on nothing waits: who follows finds events and the rows that go with them together.
        if events:
            self.seq = events[-1].seq
            self._events += events
        if len(self._events) > MAX_KEPT_EVENTS:
            self.start_seq = self._events[-MAX_KEPT_EVENTS - 1].seq
            del self._events[:-MAX_KEPT_EVENTS]
        if self._publish_rows(rows, self.seq) or events:
            self._pump.wake_all()

    async def _fetch(self, run_ids: Collection[str]) -> list[SentRun]:
        return await asyncio.to_thread(self._sources.runs, list(run_ids)) if run_ids else []

    def _publish_rows(self, rows: Sequence[SentRun], seq: int) -> bool:
        """Keep rows; return whether any has changed."""
        before = self.version
        for row in rows:
            known = self.rows.get(row.run_id)
            is_older = known is not None and known.seq > seq  # it was asked for before, and came after
            if known is None or (known.row != row and not is_older):
                self.version += 1
                self.rows[row.run_id] = RowState(row, seq, self.version)
        return self.version > before

    async def _live_runs(self) -> set[str]:
        """Return the followed runs that make progress; forget the rows that nobody follows any more."""
        if self._project_ids:
            live = set(await asyncio.to_thread(self._sources.live_runs))
            self._forget_rows(live | self._run_ids.keys())
            return live
        self.rows = {run_id: state for run_id, state in self.rows.items() if run_id in self._run_ids}
        return {run_id for run_id, state in self.rows.items() if state.row.is_live}

    def _forget_rows(self, needed: Collection[str]) -> None:
        """Forget the rows that changed longest ago: a project may be followed for months."""
        resting = [state for run_id, state in self.rows.items() if run_id not in needed]
        for state in sorted(resting, key=lambda state: state.version)[:-MAX_KEPT_ROWS]:
            del self.rows[state.row.run_id]
