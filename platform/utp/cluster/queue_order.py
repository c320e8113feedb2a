"""In which order runs wait: by priority, then fair share of their users, then age."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Protocol

from utp.config.request import RunRequest

OVERDUE_AFTER = timedelta(days=1)
"""A run that has waited this long comes before its equals of any user: a busy user's big run starts one day too."""


class Waiting(Protocol):
    """What admission reads of a queued run; `store.repositories.queue.QueuedRow` is one."""

    @property
    def run_id(self) -> str:
        """Id of the run."""
        ...

    @property
    def name(self) -> str:
        """Name of the run, for the sentences of those behind it."""
        ...

    @property
    def owner(self) -> str:
        """User whose share it counts to."""
        ...

    @property
    def project_id(self) -> str:
        """Project whose limits hold."""
        ...

    @property
    def priority(self) -> int:
        """Higher starts first."""
        ...

    @property
    def queued_at(self) -> datetime:
        """When it was queued, with its time zone."""
        ...

    @property
    def not_before(self) -> datetime | None:
        """When it may be tried again at the earliest."""
        ...

    @property
    def request(self) -> RunRequest:
        """What it asks for."""
        ...


def in_order(
    rows: Iterable[Waiting], use: Mapping[str, int], weight: Callable[[RunRequest], int], now: datetime
) -> Iterator[Waiting]:
    """Yield the runs in the order in which they are to start.

    Args:
        rows: the runs, in any order.
        use: share of the cluster that each user's runs hold now.
        weight: share of the cluster that a run will hold.
        now: the time.

    Each run that is yielded counts to its user as if it had started: runs of several users take turns.
    """
    held = dict(use)
    overdue_since = now - OVERDUE_AFTER
    by_age = sorted(rows, key=lambda row: (-row.priority, row.queued_at, row.run_id))
    for _, equals in groupby(by_age, key=lambda row: row.priority):
        yield from _take_turns(equals, held, weight, overdue_since)


def _take_turns(
    rows: Iterable[Waiting], held: dict[str, int], weight: Callable[[RunRequest], int], overdue_since: datetime
) -> Iterator[Waiting]:
    """Yield runs of one priority, given by age; adds what each of them will hold to `held`."""
    lines: dict[str, deque[Waiting]] = {}
    for row in rows:
        if row.queued_at <= overdue_since:
            held[row.owner] = held.get(row.owner, 0) + weight(row.request)
            yield row
        else:
            lines.setdefault(row.owner, deque()).append(row)
    heap = [(held.get(owner, 0), line[0].queued_at, line[0].run_id, line) for owner, line in lines.items()]
    heapq.heapify(heap)  # run ids differ, so that the lines are never compared
    while heap:
        share, _, _, line = heap[0]
        row = line.popleft()
        share += weight(row.request)
        held[row.owner] = share
        if line:
            heapq.heapreplace(heap, (share, line[0].queued_at, line[0].run_id, line))
        else:
            heapq.heappop(heap)
        yield row
