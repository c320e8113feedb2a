"""What holds for every queue, on every set of machines: checked on random ones, tick by tick, as runs come and end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from unittest import mock

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.support.machines import gpu, node, queued

from utp.cluster.admission import Plan, decide
from utp.cluster.demand import resolve_demand
from utp.cluster.inventory import NodeState, usable_gpus
from utp.cluster.limits import NO_LIMITS, Limits
from utp.cluster.queue_order import WaitingRun
from utp.cluster.reservation import ActiveRun

REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "num_workers": st.integers(1, 3),
        "gpus_per_worker": st.integers(0, 4),
        "cpus_per_worker": st.integers(1, 6),
        "max_nodes": st.integers(1, 2),
        "max_run_time_s": st.sampled_from([60.0, 600.0]),
        "memory_gb": st.sampled_from([8.0, 30.0]),
    },
)
QUEUES = st.lists(
    st.tuples(REQUESTS, st.sampled_from("abc"), st.integers(-1, 1), st.integers(0, 99_999)), max_size=14
).map(
    lambda rows: [
        queued(f"{index:02d}", owner=owner, priority=priority, waited_s=waited_s + index / 100, **request)
        for index, (request, owner, priority, waited_s) in enumerate(rows)
    ]
)
MACHINES = st.lists(
    st.tuples(st.integers(1, 12), st.lists(st.sampled_from(["free", "foreign", "quarantined"]), max_size=5)),
    min_size=1,
    max_size=3,
).map(
    lambda kinds: [
        node(f"n{index}", cpus=cpus, gpus=[gpu(i, **({} if k == "free" else {k: True})) for i, k in enumerate(gpus)])
        for index, (cpus, gpus) in enumerate(kinds)
    ]
)


@dataclass
class Cluster:
    """Machines on which runs start and end; Ray counts a run from the tick after its start."""

    bare: Sequence[NodeState]
    active: list[ActiveRun]

    def nodes(self) -> list[NodeState]:
        granted = [run.placement for run in self.active if run.placement and run.is_counted_by_ray]
        return [
            replace(
                fresh := node(one.node_id, cpus=one.cpus_total, gpus=one.gpus, taken=granted),
                num_gpus_free=max(0.0, fresh.num_gpus_free),
            )
            for one in self.bare
        ]

    def tick(self, rows: Sequence[WaitingRun], *, may_preempt: bool = False) -> Plan:
        plan = decide(rows, self.active, self.nodes(), may_preempt=may_preempt)
        by_id = {row.run_id: row for row in rows}
        self.active = [replace(run, is_counted_by_ray=True) for run in self.active]
        for start in plan.starts:
            row = by_id[start.run_id]
            self.active.append(
                ActiveRun(
                    run_id=row.run_id, owner=row.owner, project_id=row.project_id, priority=row.priority,
                    request=row.request, placement=start.placement, is_counted_by_ray=False,
                    remaining_s=row.request.max_run_time_s,
                )
            )  # fmt: skip
        return plan

    def check_capacity(self) -> None:
        for one in self.bare:
            shares = [
                s for run in self.active if run.placement for s in run.placement.shares if s.node_id == one.node_id
            ]
            gpus = [index for share in shares for index in share.gpus]
            assert len(gpus) == len(set(gpus))
            assert set(gpus) <= {state.index for state in usable_gpus(one)}
            assert sum(share.cpus for share in shares) <= one.cpus_total + 1e-6
            assert sum(share.memory_bytes for share in shares) <= one.memory_total_bytes


@settings(max_examples=80, deadline=None)
@given(QUEUES, MACHINES, st.data())
def test_what_is_given_away_is_never_above_capacity(
    rows: list[WaitingRun], machines: list[NodeState], data: st.DataObject
) -> None:
    cluster = Cluster(machines, [])
    for _ in range(4):
        plan = cluster.tick(rows, may_preempt=data.draw(st.booleans()))
        cluster.check_capacity()
        started = {start.run_id for start in plan.starts}
        assert started | set(plan.reasons) == {row.run_id for row in rows}
        assert not started & set(plan.reasons)
        rows = [row for row in rows if row.run_id not in started]
        ended = data.draw(st.sets(st.sampled_from([run.run_id for run in cluster.active] or [""])))
        cluster.active = [run for run in cluster.active if run.run_id not in ended]


@settings(max_examples=50, deadline=None)
@given(QUEUES, MACHINES, st.randoms(use_true_random=False))
def test_order_of_the_input_makes_no_difference(
    rows: list[WaitingRun], machines: list[NodeState], random: object
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide(rows, [], machines) == decide(shuffled, [], machines)


@settings(max_examples=150, deadline=None)
@given(QUEUES, MACHINES, st.sampled_from([NO_LIMITS, Limits(max_runs_per_user=2), Limits(max_gpus_per_project=2)]))
def test_end_of_a_long_queue_is_told_what_a_look_at_each_run_would_tell(
    rows: list[WaitingRun], machines: list[NodeState], limits: Limits
) -> None:
    cluster = Cluster(machines, [])
    cluster.tick(rows[:4])
    whole = decide(rows[4:], cluster.active, cluster.nodes(), limits=limits, may_preempt=True)
    with mock.patch("utp.cluster.admission.MAX_LINE", 1):  # after the first in line, the rest is told by its kind
        cut = decide(rows[4:], cluster.active, cluster.nodes(), limits=limits, may_preempt=True)
    assert (cut.starts, cut.reasons, cut.preempted) == (whole.starts, whole.reasons, whole.preempted)
    assert cut.line == whole.line[:1]


@settings(max_examples=50, deadline=None)
@given(QUEUES, MACHINES)
def test_no_equal_request_of_lower_priority_overtakes(rows: list[WaitingRun], machines: list[NodeState]) -> None:
    plan = decide(rows, [], machines)
    started = {start.run_id for start in plan.starts}
    for first in rows:
        for second in rows:
            if first.priority > second.priority and without_priority(first) == without_priority(second):
                assert first.run_id in started or second.run_id not in started


@settings(max_examples=50, deadline=None)
@given(QUEUES, MACHINES)
def test_placement_meets_the_request(rows: list[WaitingRun], machines: list[NodeState]) -> None:
    by_id = {row.run_id: row.request for row in rows}
    for start in decide(rows, [], machines).starts:
        demand = resolve_demand(by_id[start.run_id], has_gpus=any(one.gpus for one in machines))
        assert start.placement.num_workers == demand.num_workers
        assert start.placement.num_gpus == demand.total_gpus
        assert len(start.placement.shares) <= (demand.max_nodes or len(machines))


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.booleans()), min_size=40, max_size=40),
    st.sampled_from([{"gpus_per_worker": 4}, {"gpus_per_worker": 1, "cpus_per_worker": 13}, {"num_workers": 8}]),
    st.booleans(),
)
def test_big_run_starts_once_the_runs_before_it_ended(
    stream: list[tuple[int, int, bool]], big_request: dict[str, int], are_lengths_understated: bool
) -> None:
    """Small runs come so fast that without a reservation the machines would never be free enough for the big one.

    Where they take longer than they say, the big run is safe once it has waited for long.
    """
    cluster = Cluster([node("a", gpus=4, cpus=16), node("b", gpus=4, cpus=16)], [])
    big = queued("big", waited_s=9_000 if are_lengths_understated else 99, **big_request)
    line: list[WaitingRun] = []
    ends: dict[str, int] = {}
    for tick in range(12):
        coming = stream[2 * tick : 2 * tick + 2] * 3
        for number, (length, num_gpus, is_known) in enumerate(coming):
            known = {"max_run_time_s": length + (0.2 if are_lengths_understated else 1.0)} if is_known else {}
            run_id = f"{tick:03d}-{number}-{length}"
            wait_s = 5 - tick + (6 - number) / 10
            line.append(
                queued(run_id, waited_s=wait_s, gpus_per_worker=num_gpus, cpus_per_worker=3 * num_gpus, **known)
            )
        plan = cluster.tick([*line, *([big] if tick >= 5 else [])])
        cluster.check_capacity()
        started = {start.run_id for start in plan.starts}
        if "big" in started:
            return
        ends.update({run_id: tick + int(run_id[-1]) for run_id in started})
        line = [row for row in line if row.run_id not in started]
        cluster.active = [
            replace(run, remaining_s=float(ends[run.run_id] - tick) if run.remaining_s else None)
            for run in cluster.active
            if ends[run.run_id] > tick
        ]
    raise AssertionError("the big run waited 7 ticks first in line, and no run takes more than 3")


def without_priority(row: WaitingRun) -> object:
    return (row.owner, replace(row.request, priority=0))
