"""Who starts now, where, and why the others wait: a pure function of the queue, the active runs and the machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from utp.cluster.demand import Demand, explain_unsatisfiable, has_gpus, resolve_demand
from utp.cluster.inventory import NodeState
from utp.cluster.limits import NO_LIMITS, Holdings, Limits
from utp.cluster.queue_order import WaitingRun, in_order
from utp.cluster.reservation import STRICT_AFTER_S, ActiveRun, Reservation, choose_victims, leaving, reserve
from utp.cluster.room import Placement, Room, free_room, whole_room
from utp.cluster.start_estimate import estimate_starts
from utp.cluster.wait_reasons import explain_wait
from utp.config.request import RunRequest

WHOLE_CLUSTER = 1_000_000
"""Shares of the cluster are counted in millionths: sums of integers don't depend on their order."""

IN_BACKOFF = "is tried again soon: the machines get some time after a failure"


@dataclass(frozen=True, slots=True)
class Start:
    """A run that starts now."""

    run_id: str
    placement: Placement


@dataclass(frozen=True)
class Plan:
    """What the dispatcher is to do."""

    starts: tuple[Start, ...]
    reasons: Mapping[str, str]
    """Why each run that doesn't start waits, by run id. A sentence stays the same while runs ahead start one by one."""
    line: tuple[str, ...]
    """Ids of the runs that wait for room, first in line first; not those under a limit or in back-off."""
    starts_in_s: Mapping[str, float]
    """When the first ones in line are likely to start, from measured epoch times; missing where nobody knows."""
    preempted: tuple[str, ...]
    """Active runs that are to save, leave and queue again."""


def decide(
    queued: Sequence[WaitingRun],
    active: Sequence[ActiveRun],
    nodes: Sequence[NodeState],
    *,
    limits: Limits = NO_LIMITS,
    durations_s: Mapping[str, float] | None = None,
    may_preempt: bool = False,
) -> Plan:
    """Return who starts, who waits and why, and who has to make room.

    Args:
        queued: all queued runs, in any order.
        active: all runs that hold or will hold resources.
        nodes: the machines.
        limits: per user and per project.
        durations_s: how long queued runs will take, by run id, where it was measured in an earlier attempt.
        may_preempt: whether runs of lower priority are sent back to the queue for one of higher priority.
    """
    tick = _Tick(active, nodes, limits, dict(durations_s or {}), may_preempt)
    due = [row for row in queued if row.backoff_s <= 0]
    for row in in_order(due, tick.use, lambda request: tick.kind(request).weight):
        tick.consider(row)
    if len(due) < len(queued):
        tick.reasons.update((row.run_id, IN_BACKOFF) for row in queued if row.backoff_s > 0)
    line = tuple(row.run_id for row in tick.line)
    return Plan(tuple(tick.starts), tick.reasons, line, tick.estimate(), tick.preempted)


@dataclass(slots=True)
class _Kind:
    """What equal requests have in common within a tick."""

    demand: Demand
    weight: int
    problem: str | None
    """Why no machine could ever run it."""
    # Room only shrinks within a tick: what did not fit once need not be tried again.
    has_failed: bool = False
    has_failed_if_short: bool = False
    is_unreservable: bool = False
    reasons: dict[int, str] = field(default_factory=dict)
    """By priority."""


class _Tick:
    """The state of one decision: what is left after the runs considered so far."""

    def __init__(
        self,
        active: Sequence[ActiveRun],
        nodes: Sequence[NodeState],
        limits: Limits,
        durations_s: dict[str, float],
        may_preempt: bool,
    ) -> None:
        self._nodes, self._durations_s, self._may_preempt = nodes, durations_s, may_preempt
        self._has_gpus = has_gpus(nodes)
        self._whole = whole_room(nodes)
        self._cpus = sum(node.cpus for node in self._whole.nodes.values()) or 1.0
        self._num_gpus = sum(len(node.gpus) for node in self._whole.nodes.values()) or 1
        self._kinds: dict[RunRequest, _Kind] = {}
        self._kinds_by_id: dict[int, _Kind] = {}  # hashing a request takes longer than all the rest of a row
        self._active = sorted(active, key=lambda run: run.run_id)
        self._free = self._free_now()
        self._open = self._free
        self._first: WaitingRun | None = None
        self._reservation: Reservation | None = None
        self._holdings = Holdings(limits)
        self._ends: list[tuple[float | None, Placement]] = []
        self.use: dict[str, int] = {}
        for run in self._active:
            self._holdings.add(run.owner, run.project_id, run.placement.num_gpus if run.placement else 0)
            self.use[run.owner] = self.use.get(run.owner, 0) + self.kind(run.request).weight
        self.starts: list[Start] = []
        self.reasons: dict[str, str] = {}
        self.line: list[WaitingRun] = []
        self.preempted: tuple[str, ...] = ()

    def kind(self, request: RunRequest) -> _Kind:
        """Return what the request comes to here; the caller keeps the request alive during the tick."""
        if known := self._kinds_by_id.get(id(request)):
            return known
        kind = self._kinds.get(request)
        if kind is None:
            demand = resolve_demand(request, has_gpus=self._has_gpus)
            share = max(demand.num_workers * demand.cpus / self._cpus, demand.total_gpus / self._num_gpus)
            kind = _Kind(demand, round(WHOLE_CLUSTER * share), explain_unsatisfiable(request, self._nodes))
            self._kinds[request] = kind
        self._kinds_by_id[id(request)] = kind
        return kind

    def consider(self, row: WaitingRun) -> None:
        """Start the run or say why not; to be called in the order of the queue."""
        kind = self.kind(row.request)
        if kind.problem is not None:
            self.reasons[row.run_id] = f"can't run here: {kind.problem}"
        elif limit := self._limit(row, kind):
            self.reasons[row.run_id] = limit
        elif placement := self._place(row, kind):
            self._start(row, placement)
        else:
            self._wait(row, kind)

    def estimate(self) -> Mapping[str, float]:
        """Return in how many seconds the first runs in line are likely to start."""
        ends = [(run.ends_in_s, run.placement) for run in self._active if run.placement]
        lined_up = ((row.run_id, self.kind(row.request).demand, self._duration_s(row)) for row in self.line)
        return estimate_starts(lined_up, ends + self._ends, self._free, self._whole)

    def _free_now(self) -> Room:
        starting = [run.placement for run in self._active if run.placement and not run.is_counted_by_ray]
        running = [run.placement for run in self._active if run.placement and run.is_counted_by_ray]
        room = free_room(self._nodes, starting, running)
        for index, run in enumerate(self._active):
            # Ray placed it, and we don't know where: where we would have.
            if run.placement is None and (placement := room.place(self.kind(run.request).demand)):
                room.take(placement)
                self._active[index] = replace(run, placement=placement)
        return room

    def _limit(self, row: WaitingRun, kind: _Kind) -> str | None:
        if not self._holdings.is_limited:
            return None
        return self._holdings.explain_limit(row.owner, row.project_id, kind.demand.total_gpus)

    def _place(self, row: WaitingRun, kind: _Kind) -> Placement | None:
        if not kind.has_failed:
            if placement := self._open.place(kind.demand):
                return placement
            kind.has_failed = True
        if kind.has_failed_if_short or self._reservation is None or self._reservation.starts_in_s is None:
            return None
        duration_s = self._duration_s(row)
        if duration_s is None or duration_s > self._reservation.starts_in_s:
            return None
        placement = self._free.place(kind.demand)  # it is gone before the reserved run could start
        kind.has_failed_if_short = placement is None
        return placement

    def _start(self, row: WaitingRun, placement: Placement) -> None:
        self._free.take(placement)
        if self._open is not self._free:  # a short run may have taken what is kept, and less of what is open
            self._open.take_at_most(placement)
            self._open = self._open.within(self._free)
        self._holdings.add(row.owner, row.project_id, placement.num_gpus)
        self._ends.append((self._duration_s(row), placement))
        self.starts.append(Start(row.run_id, placement))

    def _wait(self, row: WaitingRun, kind: _Kind) -> None:
        self.line.append(row)
        if self._first is None and not kind.is_unreservable:
            self._reserve(row, kind)
        if self._first is row:
            self.reasons[row.run_id] = self._explain(row, kind)
        elif reason := kind.reasons.get(row.priority):
            self.reasons[row.run_id] = reason
        else:
            self.reasons[row.run_id] = kind.reasons[row.priority] = self._explain(row, kind)

    def _reserve(self, row: WaitingRun, kind: _Kind) -> None:
        if self._may_preempt:
            victims = choose_victims(kind.demand, row.priority, self._free, self._whole, self._active)
            self.preempted = tuple(sorted(run.run_id for run in victims))
            self._active = [leaving(run) if run in victims else run for run in self._active]
        reservation = reserve(
            kind.demand, self._free, self._whole, self._active, is_strict=row.waited_s >= STRICT_AFTER_S
        )
        if reservation is None:
            kind.is_unreservable = True
        else:
            self._first, self._reservation, self._open = row, reservation, reservation.open

    def _explain(self, row: WaitingRun, kind: _Kind) -> str:
        return explain_wait(row, kind.demand, self._free, self._first, is_making_room=bool(self.preempted))

    def _duration_s(self, row: WaitingRun) -> float | None:
        return self._durations_s.get(row.run_id, row.request.max_run_time_s)
