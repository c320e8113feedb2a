"""When waiting runs are likely to start, from what is measured of the active ones."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from utp.cluster.demand import Demand
from utp.cluster.room import Placement, Room

MAX_ESTIMATES = 32
"""Runs in line that get an estimate; further back it would be a guess upon guesses."""


def estimate_starts(
    lined_up: Iterable[tuple[str, Demand, float | None]],
    ends: Sequence[tuple[float | None, Placement]],
    free: Room,
    whole: Room,
) -> Mapping[str, float]:
    """Return seconds to the start by run id; a run is missing where nobody knows.

    Args:
        lined_up: id, demand and duration in seconds of the runs that wait, in order.
        ends: when each active run ends, in seconds, and what it holds.
        free: what is free now.
        whole: what there would be with no run.

    Runs start strictly in order here, as they would without back-filling: mostly a little later than they really do.
    """
    room, now_s, count = free.copy(), 0.0, 0
    events = [(end, index, held) for index, (end, held) in enumerate(ends) if end is not None]
    heapq.heapify(events)
    starts: dict[str, float] = {}
    for run_id, demand, duration_s in islice(lined_up, MAX_ESTIMATES):
        while (placement := room.place(demand)) is None and events:
            now_s, _, held = heapq.heappop(events)
            room.give_back(held, whole)
        if placement is None:
            return starts
        room.take(placement)
        starts[run_id] = now_s
        if duration_s is not None:
            count += 1
            heapq.heappush(events, (now_s + duration_s, len(ends) + count, placement))
    return starts
