"""Two raylets are two machines: a job over both, the loss of one (row 8), an elastic run on what is left, GPUs."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.support.extra_node import ExtraNode
from tests.support.live_platform import (
    CONFIG,
    NUM_CPUS,
    WITHOUT_BATCH_NORM,
    LivePlatform,
    epoch_rows,
    held,
    rows_of,
)

from utp.errors import FailureKind
from utp.store.repositories.runs import AttemptRow
from utp.store.states import Outcome, RunState

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]

LOST_WITHIN_S = 60.0
APART = {"num_workers": 2, "cpus_per_worker": NUM_CPUS // 2 + 1}
"""Two workers that no node has room for together."""


def nodes_of(attempt: AttemptRow) -> set[str]:
    assert attempt.placement is not None
    return {share["node_id"] for share in attempt.placement["shares"]}


def gpus_of(attempt: AttemptRow) -> list[Any]:
    assert attempt.placement is not None
    return [gpu for share in attempt.placement["shares"] for gpu in share["gpus"]]


def lose_a_node_while_training(platform: LivePlatform, **request: int) -> str:
    """Return the run's id, once the loss is shown as such."""
    hold = platform.hold(f"node-{sorted(request)}")
    with ExtraNode(platform) as second:
        run_id = platform.submit(held(hold, after=7), **APART, **request)
        platform.wait_held(hold)
        platform.wait(run_id, lambda run: run.state is RunState.RUNNING)
        second.kill_raylet()
        died_at = time.monotonic()
        hold.unlink()
        run = platform.wait(run_id, lambda run: run.attempts[0].outcome is not None)
    assert time.monotonic() - died_at < LOST_WITHIN_S
    assert run.attempts[0].failure_kind in (FailureKind.NODE_LOST, FailureKind.LOST)
    assert run.attempts[0].message
    return run_id


def test_job_over_two_nodes_has_the_numbers_of_one_worker(platform: LivePlatform) -> None:
    with ExtraNode(platform):
        apart_id, alone_id = platform.submit(WITHOUT_BATCH_NORM, **APART), platform.submit(WITHOUT_BATCH_NORM)
        apart, alone = platform.wait_ended(apart_id), platform.wait_ended(alone_id)
    assert len(nodes_of(apart.attempts[0])) == 2
    ours, theirs = (epoch_rows(platform.paths(run))[0] for run in (apart, alone))
    assert ours["val_loss"] == pytest.approx(theirs["val_loss"], rel=1e-4)
    assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-4)


def test_run_that_lost_a_node_waits_for_room_and_goes_on_as_if_undisturbed(platform: LivePlatform) -> None:
    run_id = lose_a_node_while_training(platform)
    run = platform.wait(run_id, lambda run: "all machines together hold 1" in run.wait_reason)
    assert run.state is RunState.QUEUED
    with ExtraNode(platform):
        run = platform.wait_ended(run_id)
        undisturbed = platform.wait_ended(platform.submit(CONFIG, **APART))
    assert [attempt.outcome for attempt in run.attempts][1:] == [Outcome.SUCCEEDED]
    assert rows_of(platform.paths(run)) == rows_of(platform.paths(undisturbed))


def test_elastic_run_goes_on_with_the_node_that_is_left(platform: LivePlatform) -> None:
    run = platform.wait_ended(lose_a_node_while_training(platform, min_workers=1))
    assert [len(nodes_of(attempt)) for attempt in run.attempts] == [2, 1]
    assert run.attempts[1].outcome is Outcome.SUCCEEDED
    assert len(epoch_rows(platform.paths(run))) == CONFIG.epochs


def test_gpu_is_given_to_one_run_at_a_time(platform: LivePlatform) -> None:
    holds = [platform.hold(f"gpu-{number}") for number in range(2)]
    with ExtraNode(platform, num_gpus=2):
        first, second = (platform.submit(held(hold, after=2), gpus_per_worker=1) for hold in holds)
        for hold in holds:
            platform.wait_held(hold)
        third = platform.submit(gpus_per_worker=1)
        waiting = platform.wait(third, lambda run: bool(run.wait_reason))
        assert "waits for 1 GPU: none is free" in waiting.wait_reason
        given = [gpus_of(platform.client.get(run_id).attempts[0]) for run_id in (first, second)]
        assert sorted(given) == [[0], [1]]
        for hold in holds:
            hold.unlink()
        for run_id in (first, second, third):
            platform.wait_ended(run_id)
