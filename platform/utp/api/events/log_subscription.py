"""`LogSubscription`: the lines of a log from one on, each once, or in a gap that says which."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from utp.api.events.log_feed import CATCH_UP_BYTES, MAX_BEHIND_BYTES, LogFeed
from utp.api.events.log_feeds import LogFeeds, LogKey
from utp.api.events.pump import Wake
from utp.api.events.run_feed import RunFeed
from utp.api.events.schemas import LogAttempt, LogGap, SubscribeLog
from utp.api.logs.service import INDEXES, to_line_json
from utp.logs.numbered import read_numbered
from utp.logs.places import find_log
from utp.store.repositories.run_places import RunPlace

PAGE_BYTES = 64 << 10
PAGE_LINES = 1000


class LogSubscription:
    """Follows one stream of a run.

    Args:
        logs: gives the newest lines.
        runs: says when the run's next attempt begins.
        place: of the run, which the client may read.
        home: where the head's copies lie.
        asked: by the client.
    """

    def __init__(self, logs: LogFeeds, runs: RunFeed, place: RunPlace, home: Path, asked: SubscribeLog) -> None:
        self._logs = logs
        self._runs = runs
        self._place = place
        self._home = home
        self._asked = asked
        self._attempt = asked.attempt or max(place.attempt, 1)
        self._line = asked.from_line
        self._feed: LogFeed | None = None
        self._is_closed = False
        self._wake: Wake = lambda: None

    async def open(self, wake: Wake) -> None:
        """Begin with the attempt that was asked for, or with the newest."""
        self._wake = wake
        await self._runs.follow(wake, run_id=self._place.run_id)
        await self._follow()
        assert self._feed is not None
        if self._line < 0:
            self._line = max(0, self._feed.next_line + self._line)

    async def take(self) -> str | None:
        """Return the next lines, a gap, or that another attempt has begun."""
        assert self._feed is not None
        if self._line < self._feed.first_line:
            return await self._take_from_file(self._feed.first_line)
        if self._line < self._feed.next_line:
            piece = self._feed.piece_with(self._line)
            start, self._line = self._line, piece.end
            return self._lines(start, piece.json_from(start))
        if self._asked.attempt is None and (newest := self._newest_attempt()) > self._attempt:
            self._leave()
            self._attempt, self._line = newest, 0
            await self._follow()
            return LogAttempt(type="log_attempt", id=self._asked.id, attempt=newest).model_dump_json()
        return None

    def close(self) -> None:
        """Follow no more."""
        self._is_closed = True
        self._leave()
        self._runs.leave(self._wake, run_id=self._place.run_id)

    @property
    def _key(self) -> LogKey:
        return self._place.run_id, self._attempt, self._asked.stream

    async def _follow(self) -> None:
        find = partial(find_log, self._home, self._place.run_dir, *self._key)
        self._feed = await self._logs.follow(self._key, find, self._wake)
        if self._is_closed:
            self._leave()

    def _leave(self) -> None:
        self._logs.leave(self._key, self._wake)

    def _newest_attempt(self) -> int:
        known = self._runs.rows.get(self._place.run_id)
        return known.row.attempt if known else self._attempt

    async def _take_from_file(self, end: int) -> str:
        """Return lines that are not in memory any more, those before `end`."""
        start = self._line
        text, self._line = await asyncio.to_thread(self._read_file, start, end)
        if text is not None:
            return self._lines(start, text)
        place = {"attempt": self._attempt, "stream": self._asked.stream}
        gap = LogGap(type="log_gap", id=self._asked.id, **place, from_line=start, to_line=self._line)
        return gap.model_dump_json()

    def _read_file(self, start: int, end: int) -> tuple[str | None, int]:
        """Return lines as JSON, or None for a gap, and the line to go on with."""
        index = INDEXES.of(find_log(self._home, self._place.run_dir, *self._key))
        try:
            with index.opened() as file:
                first, last = file.offset_of(start), file.offset_of(end)
                if last - first > MAX_BEHIND_BYTES:
                    return None, max(start + 1, file.line_at(last - CATCH_UP_BYTES))
        except FileNotFoundError:
            return None, end  # removed meanwhile
        page = read_numbered(index, start, min(PAGE_LINES, end - start), is_live=True, max_bytes=PAGE_BYTES)
        if not page.lines:
            return None, end  # cut off meanwhile
        texts = [to_line_json(line) for line in page.lines]
        return f"[{','.join(texts)}]", page.lines[-1].line + 1

    def _lines(self, start: int, lines: str) -> str:
        head = f'{{"type":"log","id":{self._asked.id},"attempt":{self._attempt},"stream":"{self._asked.stream}"'
        return f'{head},"start":{start},"lines":{lines}}}'
