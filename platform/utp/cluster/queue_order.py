"""In which order runs wait: by priority, then fair share of their users, then age."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from utp.config.request import RunRequest

OVERDUE_AFTER_S = 86_400.0
"""A run that has waited this long comes before its equals of any user: a busy user's big run starts one day too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRun:
    """What admission reads of a queued run; nothing of it changes with time, so that it is kept from tick to tick."""

    run_id: str
    name: str
    owner: str
    project_id: str
    priority: int
    seq: int
    """Its age: smaller is older."""
    queued_at: float
    """In seconds on the clock that `decide` is told."""
    not_before: float
    """When its back-off is over, on the same clock."""
    request: RunRequest


def in_order(
    rows: Iterable[WaitingRun], use: Mapping[str, int], weight: Callable[[RunRequest], int], now: float
) -> Iterator[WaitingRun]:
    """Yield the runs in the order in which they are to start; those that nobody asks for cost little.

    Args:
        rows: the runs, in any order.
        use: share of the cluster that each user's runs hold now.
        weight: share of the cluster that a run will hold.
        now: on the clock of `queued_at`.

    Each run that is yielded counts to its user as if it had started: runs of several users take turns.
    """
    held = dict(use)
    by_age = sorted(rows, key=attrgetter("seq"))
    by_age.sort(key=attrgetter("priority"), reverse=True)  # two sorts by plain numbers: half the time of one by pairs
    for _, equals in groupby(by_age, key=attrgetter("priority")):
        yield from _take_turns(equals, held, weight, now - OVERDUE_AFTER_S)


def _take_turns(
    rows: Iterable[WaitingRun], held: dict[str, int], weight: Callable[[RunRequest], int], overdue_at: float
) -> Iterator[WaitingRun]:
    """Yield runs of one priority, given by age; adds what each of them will hold to `held`."""
    lines: dict[str, deque[WaitingRun]] = {}
    for row in rows:
        if row.queued_at <= overdue_at:
            held[row.owner] = held.get(row.owner, 0) + weight(row.request)
            yield row
        else:
            lines.setdefault(row.owner, deque()).append(row)
    heap = [(held.get(owner, 0), line[0].seq, line) for owner, line in lines.items()]
    heapq.heapify(heap)  # ages differ, so that the lines are never compared
    while heap:
        share, _, line = heap[0]
        row = line.popleft()
        held[row.owner] = share = share + weight(row.request)
        if line:
            heapq.heapreplace(heap, (share, line[0].seq, line))
        else:
            heapq.heappop(heap)
        yield row
