"""What is kept for the first run that has to wait, so that small runs behind it can't put it off for ever.

EASY back-filling (Lifka 1995; Mu'alem and Feitelson 2001): only the first in line holds a reservation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from utp.cluster.demand import Demand
from utp.cluster.room import Placement, Room
from utp.config.request import RunRequest

LEAVING_S = 60.0
"""How long a run that was asked to leave is taken to need for its last checkpoint."""

STRICT_AFTER_S = 3600.0
"""A run that has waited this long is not promised a time: short runs that take longer than they said can't delay it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRun:
    """A run that is in Ray, or on its way to it."""

    run_id: str
    owner: str
    project_id: str
    priority: int
    request: RunRequest
    placement: Placement | None
    """None where Ray placed it alone (`ray job submit`)."""
    is_counted_by_ray: bool
    """Whether it has its resources, so that Ray's own count has them given away."""
    is_leaving: bool = False
    """Whether it was asked to stop, to pause, or to make room."""
    remaining_s: float | None = None
    """Until it ends by itself, from its epoch times so far; none where they are not known."""
    age_s: float = 0.0
    """Since this attempt started."""

    @property
    def ends_in_s(self) -> float | None:
        """When its resources come back, in seconds; none where nobody knows."""
        if not self.is_leaving:
            return self.remaining_s
        return min(LEAVING_S, self.remaining_s if self.remaining_s is not None else LEAVING_S)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Where the first run in line will go, and when."""

    placement: Placement
    starts_in_s: float | None
    """None where it waits for runs of which nobody knows when they end."""
    open: Room
    """What others may take for any time without putting it off."""


def reserve(
    demand: Demand, free: Room, whole: Room, active: Sequence[ActiveRun], *, is_strict: bool
) -> Reservation | None:
    """Return what is kept for a demand that doesn't fit now; none where the machines that are here can't hold it.

    A strict one trusts in no estimate of when runs end: whatever comes free of its place is kept.
    """
    later = free.copy()
    for ends_in_s, run in () if is_strict else _by_end(active):
        later.give_back(run.placement or Placement(()), whole)
        if placement := later.place(demand):
            later.take(placement)
            return Reservation(placement, ends_in_s, free.within(later))
    placement = whole.place_beside(demand, free)
    if placement is None:
        return None
    # What is free already of its place stays free. Only that is sure to bring it closer: to count with what others
    # will leave would let one small run follow the other for ever.
    kept = free.copy()
    kept.take_at_most(placement)
    return Reservation(placement, None, kept)


def choose_victims(
    demand: Demand, priority: int, free: Room, whole: Room, active: Sequence[ActiveRun]
) -> tuple[ActiveRun, ...]:
    """Return the runs of lower priority that have to make room, as few as can be; none where that is in vain.

    The least urgent go first, and among equals the youngest, which lose least. Runs that leave anyway count as gone.
    """
    room = free.copy()
    for run in active:
        if run.is_leaving:
            room.give_back(run.placement or Placement(()), whole)
    lower = [run for run in active if run.priority < priority and run.placement is not None and not run.is_leaving]
    lower.sort(key=lambda run: (run.priority, run.age_s, run.run_id))
    victims: list[ActiveRun] = []
    for run in lower:
        if _fits(demand, room, whole, victims):
            break
        victims.append(run)
    if not _fits(demand, room, whole, victims):
        return ()
    for run in reversed(victims[:]):  # the last ones taken, the most urgent, are spared first
        others = [one for one in victims if one is not run]
        if _fits(demand, room, whole, others):
            victims = others
    return tuple(victims)


def leaving(run: ActiveRun) -> ActiveRun:
    """Return the run as it is once it was asked to leave."""
    return replace(run, is_leaving=True)


def _fits(demand: Demand, room: Room, whole: Room, victims: Iterable[ActiveRun]) -> bool:
    freed = room.copy()
    for run in victims:
        freed.give_back(run.placement or Placement(()), whole)
    return freed.place(demand) is not None


def _by_end(active: Sequence[ActiveRun]) -> list[tuple[float, ActiveRun]]:
    known = [(run.ends_in_s, run) for run in active]
    return sorted(((ends, run) for ends, run in known if ends is not None), key=lambda item: (item[0], item[1].run_id))
