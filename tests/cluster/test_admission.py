from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.machines import gpu, node, queued

from utp.cluster.admission import IN_BACKOFF, Plan, decide
from utp.cluster.inventory import NodeState
from utp.cluster.limits import Limits
from utp.cluster.reservation import ActiveRun
from utp.cluster.room import Placement, Share
from utp.config.request import RunRequest


def active(run_id: str, node_id: str, gpus: tuple[int, ...], *, owner: str = "bob", **more: object) -> ActiveRun:
    placement = Placement((Share(node_id, 1, 1.0, 0, gpus),))
    fields = {"priority": 0, "project_id": "default", "is_counted_by_ray": True, **more}
    return ActiveRun(
        run_id=run_id, owner=owner, request=RunRequest(gpus_per_worker=len(gpus)), placement=placement, **fields
    )  # type: ignore[arg-type]


def machines(*runs: ActiveRun, gpus: int = 4) -> list[NodeState]:
    return [node("a", gpus=gpus, taken=[run.placement for run in runs if run.placement])]


def started(plan: Plan) -> list[str]:
    return [start.run_id for start in plan.starts]


def test_higher_priority_starts_first() -> None:
    rows = [queued("old", waited_s=100), queued("urgent", priority=5)]
    assert started(decide(rows, [], machines(gpus=1))) == ["urgent"]


def test_user_who_uses_least_starts_first() -> None:
    busy = active("x", "a", (0,), owner="ann")
    rows = [queued("of-ann", waited_s=100, owner="ann"), queued("of-bob", owner="bob")]
    assert started(decide(rows, [busy], machines(busy, gpus=2))) == ["of-bob"]


def test_users_take_turns_whatever_they_queued() -> None:
    rows = [queued(f"ann-{i}", waited_s=100 - i) for i in range(3)] + [queued("bob-0", owner="bob")]
    assert started(decide(rows, [], machines(gpus=3))) == ["ann-0", "bob-0", "ann-1"]


def test_among_equals_the_oldest_starts_first() -> None:
    rows = [queued("young", waited_s=1), queued("old", waited_s=2)]
    assert started(decide(rows, [], machines(gpus=1))) == ["old"]


def test_run_that_waited_a_day_comes_before_users_who_use_less() -> None:
    busy = active("x", "a", (0,), owner="ann")
    rows = [queued("of-ann", waited_s=90_000, owner="ann"), queued("of-bob", owner="bob")]
    assert started(decide(rows, [busy], machines(busy, gpus=2))) == ["of-ann"]


def test_big_run_is_not_starved_by_small_ones() -> None:
    small = active("s", "a", (0,))
    rows = [queued("big", waited_s=10, gpus_per_worker=4), queued("small")]
    plan = decide(rows, [small], machines(small))
    assert started(plan) == []
    assert plan.reasons["big"] == "waits for 4 GPUs: 3 are free, kept for it"
    assert plan.reasons["small"] == "waits for 1 GPU, behind run big: 3 are free and kept for that one"
    assert plan.line == ("big", "small")


def test_sentence_names_no_run_of_a_project_that_its_reader_may_not_see() -> None:
    rows = [queued("big", waited_s=10, gpus_per_worker=4), queued("small")]
    secret = [replace(rows[0], project_id="secret"), rows[1]]
    small = active("s", "a", (0,))
    reason = decide(secret, [small], machines(small)).reasons["small"]
    assert reason == "waits for 1 GPU, behind a run of another project: 3 are free and kept for that one"


def test_small_run_starts_on_what_the_reserved_one_cannot_use() -> None:
    small = active("s", "a", (0,))
    rows = [queued("big", waited_s=10, gpus_per_worker=4), queued("small")]
    nodes = [*machines(small), node("b", gpus=1)]
    plan = decide(rows, [small], nodes)
    assert [(start.run_id, start.placement.shares[0].node_id) for start in plan.starts] == [("small", "b")]


def test_short_run_starts_on_reserved_gpus_if_it_is_gone_in_time() -> None:
    long = active("l", "a", (0,), remaining_s=600.0)
    rows = [queued("big", waited_s=10, gpus_per_worker=4), queued("slow"), queued("quick")]
    plan = decide(rows, [long], machines(long), durations_s={"quick": 599.0, "slow": 601.0})
    assert started(plan) == ["quick"]
    assert plan.starts_in_s == {"big": 600.0}


def test_run_of_unknown_length_does_not_start_on_reserved_gpus() -> None:
    long = active("l", "a", (0,), remaining_s=600.0)
    rows = [queued("big", waited_s=10, gpus_per_worker=4), queued("unknown")]
    assert started(decide(rows, [long], machines(long))) == []


def test_run_time_limit_counts_as_length() -> None:
    long = active("l", "a", (0,), remaining_s=600.0)
    rows = [queued("big", waited_s=10, gpus_per_worker=4), queued("limited", max_run_time_s=500.0)]
    assert started(decide(rows, [long], machines(long))) == ["limited"]


def test_limits_hold_per_user_and_say_so() -> None:
    rows = [queued(f"r{i}", waited_s=10 - i) for i in range(3)]
    plan = decide(rows, [], machines(), limits=Limits(max_runs_per_user=2))
    assert started(plan) == ["r0", "r1"]
    assert plan.reasons["r2"] == "limit of user ann: 2 runs at a time"


def test_limit_of_a_project_counts_gpus() -> None:
    busy = active("x", "a", (0, 1), project_id="vision")
    rows = [queued("r", project_id="vision", gpus_per_worker=2)]
    plan = decide(rows, [busy], machines(busy), limits=Limits(max_gpus_per_project=3))
    assert plan.reasons["r"] == "limit of project vision: 3 GPUs at a time, 2 are in use"


def test_limit_of_gpus_leaves_runs_without_one_alone() -> None:
    busy = active("x", "a", (0,), owner="ann")
    plan = decide([queued("r", gpus_per_worker=0)], [busy], machines(busy), limits=Limits(max_gpus_per_user=0))
    assert started(plan) == ["r"]


def test_run_over_its_limit_keeps_nothing_from_others() -> None:
    rows = [queued("ann-0", waited_s=9), queued("ann-1", waited_s=8, gpus_per_worker=3), queued("bob", owner="bob")]
    assert started(decide(rows, [], machines(), limits=Limits(max_runs_per_user=1))) == ["ann-0", "bob"]


def test_gpu_of_other_people_or_in_quarantine_is_not_offered() -> None:
    nodes = [node("a", gpus=[gpu(0, foreign=True), gpu(1, quarantined=True), gpu(2)])]
    plan = decide([queued("r0", waited_s=1), queued("r1")], [], nodes)
    assert [start.placement.shares[0].gpus for start in plan.starts] == [(2,)]
    assert "0 GPUs" not in plan.reasons["r1"]


def test_machine_that_drains_or_is_away_gets_nothing() -> None:
    for gone in (replace(node("a", gpus=4), is_draining=True), replace(node("a", gpus=4), is_alive=False)):
        plan = decide([queued("r")], [], [gone])
        assert started(plan) == []
        assert "other people's processes, in quarantine or away" in plan.reasons["r"]


def test_gpus_that_ray_gave_to_others_are_not_offered() -> None:
    nodes = [replace(node("a", gpus=2), num_gpus_free=1.0)]
    assert len(decide([queued("r0"), queued("r1")], [], nodes).starts) == 1


def test_starting_run_that_ray_does_not_count_yet_holds_its_place() -> None:
    coming = active("c", "a", (0,), is_counted_by_ray=False)
    plan = decide([queued("r0"), queued("r1")], [coming], machines(gpus=2))
    assert [start.placement.shares[0].gpus for start in plan.starts] == [(1,)]


def test_run_that_ray_placed_alone_takes_room_too() -> None:
    elsewhere = replace(active("c", "a", (0,), is_counted_by_ray=False), placement=None)
    assert len(decide([queued("r0"), queued("r1")], [elsewhere], machines(gpus=2)).starts) == 1


def test_request_that_no_machine_meets_waits_without_holding_up_others() -> None:
    plan = decide([queued("huge", waited_s=9, gpus_per_worker=8), queued("r")], [], machines())
    assert started(plan) == ["r"]
    assert plan.reasons["huge"].startswith("can't run here: gpus_per_worker: 8 is asked for")
    assert plan.line == ()


def test_run_in_back_off_waits() -> None:
    later = queued("r", backoff_s=30)
    plan = decide([later], [], machines())
    assert plan.reasons["r"] == IN_BACKOFF


def test_elastic_run_starts_with_what_is_free() -> None:
    plan = decide([queued("r", num_workers=4, min_workers=2)], [], machines(gpus=3))
    assert plan.starts[0].placement.num_workers == 3


def test_workers_that_have_to_stay_together_wait_for_one_machine() -> None:
    nodes = [node("a", gpus=2), node("b", gpus=2), node("c", gpus=4)]
    plan = decide([queued("r", num_workers=4, max_nodes=1)], [], nodes)
    assert [share.node_id for share in plan.starts[0].placement.shares] == ["c"]


def test_single_worker_goes_where_it_leaves_big_machines_whole() -> None:
    plan = decide([queued("r")], [], [node("big", gpus=8), node("small", gpus=1)])
    assert plan.starts[0].placement.shares[0].node_id == "small"


def test_only_gpus_of_the_model_asked_for_are_given() -> None:
    nodes = [node("a", gpus=[gpu(0, model="NVIDIA T4"), gpu(1)])]
    plan = decide([queued("r", gpu_model="a100")], [], nodes)
    assert plan.starts[0].placement.shares[0].gpus == (1,)


def test_without_gpus_a_run_takes_a_core() -> None:
    plan = decide([queued(f"r{i}") for i in range(3)], [], [node("a", cpus=2)])
    assert len(plan.starts) == 2
    assert plan.reasons["r2"] == "waits for 1 core: none is free"


def test_preemption_is_off_by_default_and_takes_as_few_as_it_can() -> None:
    runs = [active("one", "a", (0,)), active("pair", "a", (1, 2)), active("other", "a", (3,), priority=9)]
    rows = [queued("urgent", priority=5, gpus_per_worker=2)]
    assert decide(rows, runs, machines(*runs)).preempted == ()
    plan = decide(rows, runs, machines(*runs), may_preempt=True)
    assert plan.preempted == ("pair",)
    assert plan.reasons["urgent"] == "waits for 2 GPUs: none is free; runs of lower priority make room for it"


def test_no_further_run_is_preempted_while_one_leaves() -> None:
    runs = [active("one", "a", (0,), is_leaving=True), active("two", "a", (1,))]
    plan = decide([queued("r", priority=5)], runs, machines(*runs, gpus=2), may_preempt=True)
    assert plan.preempted == ()


def test_equal_priority_is_never_preempted() -> None:
    runs = [active("one", "a", (0,))]
    assert decide([queued("r")], runs, machines(*runs, gpus=1), may_preempt=True).preempted == ()


def test_starts_are_estimated_along_the_line() -> None:
    run = active("x", "a", (0,), remaining_s=100.0)
    rows = [queued("first", waited_s=9), queued("second", waited_s=8), queued("third", waited_s=7)]
    plan = decide(rows, [run], machines(run, gpus=1), durations_s={"first": 50.0})
    assert plan.starts_in_s == {"first": 100.0, "second": 150.0}


@pytest.mark.parametrize(
    ("request_fields", "problem"),
    [
        ({"gpus_per_worker": 5}, "gpus_per_worker: 5 is asked for, and no machine here has more than 4; lower it to 4"),
        ({"num_workers": 9}, "num_workers: 9 workers are asked for, and all machines together hold 8; lower it to 8"),
        ({"gpu_model": "H100"}, "gpu_model: no GPU here is a 'H100'; there are: NVIDIA A100-SXM4-40GB"),
        ({"min_gpu_memory_gb": 80.0}, "min_gpu_memory_gb: 80 is asked for, and no GPU here has more than 40.0 GB"),
        ({"cpus_per_worker": 17}, "cpus_per_worker: 17 is asked for, and no machine here has more than 16 cores"),
        ({"memory_gb": 65.0}, "memory_gb: 65 is asked for, and no machine here has more than 64.0 GB"),
        (
            {"num_workers": 5, "max_nodes": 1},
            "num_workers: 5 workers are asked for, and 1 of the machines here hold 4; lower it to 4, or raise max_nodes",  # noqa: E501
        ),
    ],
)  # fmt: skip
def test_request_that_can_never_run_is_explained(request_fields: dict[str, object], problem: str) -> None:
    nodes = [node("a", gpus=4), replace(node("b", gpus=4), is_alive=False)]
    plan = decide([queued("r", **request_fields)], [], nodes)
    assert plan.reasons["r"] == f"can't run here: {problem}"
