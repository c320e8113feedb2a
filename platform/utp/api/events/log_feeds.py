"""`LogFeeds`: the logs that somebody follows now, looked at together every few milliseconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from utp.api.events.log_feed import LogFeed, LogTail, Piece, to_pieces
from utp.api.events.pump import Pump, Wake
from utp.logs.line_index import LineIndexes

PERIOD_S = 0.015
"""Between two looks at all followed files; a look costs some microseconds a file."""

LogKey = tuple[str, int, str]
"""Run id, attempt, file name."""

_log = logging.getLogger(__name__)


@dataclass
class _Followed:
    feed: LogFeed
    tail: LogTail


class LogFeeds:
    """Used on the event loop only; files are read by threads of its own."""

    def __init__(self, indexes: LineIndexes) -> None:
        self._indexes = indexes
        self._followed: dict[LogKey, _Followed] = {}
        self._locks: dict[LogKey, asyncio.Lock] = {}
        self._reader = ThreadPoolExecutor(1, "log-tail")
        self._counter = ThreadPoolExecutor(2, "log-count")
        self._pump = Pump("logs", self._look, PERIOD_S)

    async def follow(self, key: LogKey, find: Callable[[], Path], wake: Wake) -> LogFeed:
        """Return the feed of a log; `wake` is called whenever lines come, until `leave`."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            if key not in self._followed:
                tail = LogTail(find, self._indexes)
                next_line = await asyncio.get_running_loop().run_in_executor(self._counter, tail.begin)
                self._followed[key] = _Followed(LogFeed(next_line), tail)
            feed = self._followed[key].feed
            feed.followers.add(wake)
        self._pump.follow(self._nobody)
        return feed

    def leave(self, key: LogKey, wake: Wake) -> None:
        """End what `follow` began; a log that nobody follows any more is let go at the next look."""
        if (followed := self._followed.get(key)) is not None:
            followed.feed.followers.discard(wake)

    async def close(self) -> None:
        """End all."""
        await self._pump.close()
        self._reader.shutdown(wait=False)
        self._counter.shutdown(wait=False, cancel_futures=True)
        for followed in self._followed.values():
            followed.tail.close()
        self._followed.clear()

    async def _look(self) -> None:
        tails = {key: followed.tail for key, followed in self._followed.items()}
        news = await asyncio.get_running_loop().run_in_executor(self._reader, _read_all, tails)
        for key, pieces in news.items():
            self._followed[key].feed.add(pieces)
        for key in [key for key, followed in self._followed.items() if not followed.feed.followers]:
            self._followed.pop(key).tail.close()
            if not self._locks[key].locked():
                del self._locks[key]
        if not self._followed:
            self._pump.leave(self._nobody)

    def _nobody(self) -> None:
        """Keep the pump going: feeds wake their own followers."""


def _read_all(tails: Mapping[LogKey, LogTail]) -> dict[LogKey, list[Piece]]:
    """Return what is new, by log."""
    news = {}
    for key, tail in tails.items():
        try:
            lines = tail.read()
        except OSError as error:  # of one log: the others go on
            _log.warning("the log %s of run %s can't be read: %s", key[2], key[0], error)
            tail.rest()
            continue
        if lines:
            news[key] = to_pieces(lines)
    return news
