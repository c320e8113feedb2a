"""Who starts now, where, and why the others wait: a pure function of the queue, the active runs and the machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

MAX_LINE = 50
"""Runs in line that have a place: further back it changes with every start."""

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
    """Ids of the first runs that wait for room, in order; not those under a limit or in back-off."""
    starts_in_s: Mapping[str, float]
    """When the first ones in line are likely to start, from measured epoch times; missing where nobody knows."""
    preempted: tuple[str, ...]
    """Active runs that are to save, leave and queue again."""


def decide(
    queued: Sequence[WaitingRun],
    active: Sequence[ActiveRun],
    nodes: Sequence[NodeState],
    *,
    now: float = 0.0,
    limits: Limits = NO_LIMITS,
    durations_s: Mapping[str, float] | None = None,
    may_preempt: bool = False,
) -> Plan:
    """Return who starts, who waits and why, and who has to make room.

    Args:
        queued: all queued runs, in any order.
        active: all runs that hold or will hold resources.
        nodes: the machines.
        now: seconds on the clock of the queued runs.
        limits: per user and per project.
        durations_s: how long queued runs will take, by run id, where it was measured in an earlier attempt.
        may_preempt: whether runs of lower priority are sent back to the queue for one of higher priority.
    """
    tick = _Tick(active, nodes, limits, dict(durations_s or {}), may_preempt=may_preempt, now=now)
    due = [row for row in queued if row.not_before <= now]
    tick.rule_out({id(row.request): row.request for row in due}.values())
    for row in in_order(due, tick.use, lambda request: tick.kind(request).weight, now):
        tick.consider(row)
        if tick.is_settled():
            tick.explain_others(due)
            break
    if len(due) < len(queued):
        tick.reasons.update((row.run_id, IN_BACKOFF) for row in queued if row.not_before > now)
    line = tuple(row.run_id for row in tick.line[:MAX_LINE])
    return Plan(tuple(tick.starts), tick.reasons, line, tick.estimate(), tick.preempted)


@dataclass(slots=True)
class _Kind:
    """What equal requests have in common within a tick."""

    demand: Demand
    max_run_time_s: float | None
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
        *,
        may_preempt: bool,
        now: float,
    ) -> None:
        self._now = now
        self._nodes, self._durations_s, self._may_preempt = nodes, durations_s, may_preempt
        self._has_gpus = has_gpus(nodes)
        self._whole = whole_room(nodes)
        self._cpus = sum(node.cpus for node in self._whole.nodes.values()) or 1.0
        self._num_gpus = sum(len(node.gpus) for node in self._whole.nodes.values()) or 1
        self._kinds: dict[RunRequest, _Kind] = {}
        self._kinds_by_id: dict[int, _Kind] = {}  # hashing a request takes longer than all the rest of a row
        self._hopeful: list[_Kind] = []
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
            problem = explain_unsatisfiable(request, self._nodes)
            kind = _Kind(demand, request.max_run_time_s, round(WHOLE_CLUSTER * share), problem)
            self._kinds[request] = kind
        self._kinds_by_id[id(request)] = kind
        return kind

    def rule_out(self, requests: Iterable[RunRequest]) -> None:
        """Look once at each request that waits: what finds no room now finds none later in this tick."""
        for request in requests:
            kind = self.kind(request)
            if kind.problem is None and self._free.place(kind.demand) is None:
                kind.has_failed = kind.has_failed_if_short = True
            self._hopeful.append(kind)

    def is_settled(self) -> bool:
        """Whether no further run can start, whatever comes, and the first in line have their places."""
        if len(self.line) < MAX_LINE or self._first is None:
            return False
        while self._hopeful and self._is_hopeless(self._hopeful[-1]):
            self._hopeful.pop()
        return not self._hopeful

    def explain_others(self, rows: Iterable[WaitingRun]) -> None:
        """Say why the runs that were not considered wait; to be called when it is settled."""
        started = {start.run_id for start in self.starts}
        for row in rows:
            if row.run_id not in self.reasons and row.run_id not in started:
                kind = self._kinds_by_id[id(row.request)]
                self.reasons[row.run_id] = self._exclude(row, kind) or self._reason(row, kind)

    def consider(self, row: WaitingRun) -> None:
        """Start the run or say why not; to be called in the order of the queue."""
        kind = self.kind(row.request)
        if excluded := self._exclude(row, kind):
            self.reasons[row.run_id] = excluded
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

    def _exclude(self, row: WaitingRun, kind: _Kind) -> str | None:
        """Return why the run is not in line at all; none where it is."""
        if kind.problem is not None:
            return f"can't run here: {kind.problem}"
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

    def _is_hopeless(self, kind: _Kind) -> bool:
        """Whether no run of this kind can start any more in this tick; to be asked when the first one is known."""
        if kind.problem is not None or (kind.has_failed and kind.has_failed_if_short):
            return True
        if not kind.has_failed or self._durations_s:
            return False
        free_in_s = self._reservation.starts_in_s if self._reservation else None
        limit_s = kind.max_run_time_s
        return free_in_s is None or limit_s is None or limit_s > free_in_s

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
        self.reasons[row.run_id] = self._explain(row, kind) if self._first is row else self._reason(row, kind)

    def _reason(self, row: WaitingRun, kind: _Kind) -> str:
        """Return why a run that is not the first in line waits: the same for all of its kind and priority."""
        reason = kind.reasons.get(row.priority)
        if reason is None:
            reason = kind.reasons[row.priority] = self._explain(row, kind)
        return reason

    def _reserve(self, row: WaitingRun, kind: _Kind) -> None:
        if self._may_preempt:
            victims = choose_victims(kind.demand, row.priority, self._free, self._whole, self._active)
            self.preempted = tuple(sorted(run.run_id for run in victims))
            self._active = [leaving(run) if run in victims else run for run in self._active]
        reservation = reserve(
            kind.demand, self._free, self._whole, self._active, is_strict=self._now - row.queued_at >= STRICT_AFTER_S
        )
        if reservation is None:
            kind.is_unreservable = True
        else:
            self._first, self._reservation, self._open = row, reservation, reservation.open

    def _explain(self, row: WaitingRun, kind: _Kind) -> str:
        return explain_wait(row, kind.demand, self._free, self._first, is_making_room=bool(self.preempted))

    def _duration_s(self, row: WaitingRun) -> float | None:
        return self._durations_s.get(row.run_id, row.request.max_run_time_s)
