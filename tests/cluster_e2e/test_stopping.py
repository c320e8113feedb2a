"""Stop, pause and going on, in each phase of a run on a real Ray: the state, how the attempt ended, what is on disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.support.live_platform import NUM_CPUS, LivePlatform, held, result_of, rows_of, wait_until

from utp.core.checkpoint import CheckpointStore
from utp.store.errors import AlreadyEnded, IllegalMove
from utp.store.repositories.runs import RunDetail
from utp.store.states import LIVE, Outcome, RunState, Wish

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]


def outcomes(run: RunDetail) -> list[Outcome | None]:
    return [attempt.outcome for attempt in run.attempts]


def check_goes_on_as_if_undisturbed(platform: LivePlatform, run_id: str, rows: list[dict[str, Any]]) -> RunDetail:
    platform.client.resume(run_id)
    run = platform.wait_ended(run_id)
    assert rows_of(platform.paths(run)) == rows
    return run


def test_queued_run_stops_and_pauses_at_once_and_the_paused_one_runs_later(
    platform: LivePlatform, undisturbed: list[dict[str, Any]]
) -> None:
    hold = platform.hold("takes-all")
    taker = platform.submit(held(hold), cpus_per_worker=NUM_CPUS)
    platform.wait_held(hold)
    stopped, paused = platform.submit(), platform.submit()
    assert platform.wait(stopped, lambda run: bool(run.wait_reason)).state is RunState.QUEUED
    assert platform.client.wish(stopped, Wish.STOP, by="ann") is RunState.STOPPED
    assert platform.client.wish(paused, Wish.PAUSE, by="ann") is RunState.PAUSED
    hold.unlink()
    platform.wait_ended(taker)
    assert platform.client.get(stopped).attempts == []
    assert platform.client.get(stopped).state is RunState.STOPPED
    run = check_goes_on_as_if_undisturbed(platform, paused, undisturbed)
    assert outcomes(run) == [Outcome.SUCCEEDED]


def test_run_that_is_starting_stops_and_leaves_no_job(platform: LivePlatform) -> None:
    run_id = platform.submit()
    platform.wait(run_id, lambda run: run.state in LIVE)
    assert platform.client.wish(run_id, Wish.STOP, by="ann") in (RunState.STOPPING, RunState.STOPPED)
    run = platform.wait_ended(run_id, RunState.STOPPED)
    assert outcomes(run) == [Outcome.STOPPED]
    wait_until(lambda: not platform.processes(run_id), "the end of its job")


@pytest.mark.parametrize(("phase", "after"), [("train", 7), ("eval", 0), ("save", 2)])
@pytest.mark.parametrize(("wish", "state"), [(Wish.STOP, RunState.STOPPED), (Wish.PAUSE, RunState.PAUSED)])
def test_running_run_saves_leaves_and_goes_on_as_if_undisturbed(
    platform: LivePlatform, undisturbed: list[dict[str, Any]], phase: str, after: int, wish: Wish, state: RunState
) -> None:
    hold = platform.hold(f"{phase}-{wish}")
    run_id = platform.submit(held(hold, phase=phase, after=after))
    platform.wait_held(hold)
    platform.wait(run_id, lambda run: run.state is RunState.RUNNING)
    with ThreadPoolExecutor() as pool:  # ten people at once: one answer
        answers = list(pool.map(lambda _: platform.client.wish(run_id, wish, by="ann"), range(10)))
    assert set(answers) == {RunState.STOPPING}
    platform.wait_heard(run_id)
    hold.unlink()
    run = platform.wait_ended(run_id, state)
    paths = platform.paths(run)
    assert (outcomes(run), result_of(paths)["outcome"]) == ([Outcome(state)], str(state))
    newest = CheckpointStore(paths.checkpoint_dir, attempt=99).committed()[-1]
    assert newest.step == result_of(paths)["step"]
    run = check_goes_on_as_if_undisturbed(platform, run_id, undisturbed)
    assert outcomes(run) == [Outcome(state), Outcome.SUCCEEDED]
    assert run.attempts[1].start_step == newest.step


def test_second_pause_and_stop_of_a_paused_run_are_heard(platform: LivePlatform) -> None:
    hold = platform.hold("pause-stop")
    run_id = platform.submit(held(hold, after=7))
    platform.wait_held(hold)
    platform.wait(run_id, lambda run: run.state is RunState.RUNNING)
    platform.client.wish(run_id, Wish.PAUSE, by="ann")
    assert platform.client.wish(run_id, Wish.STOP, by="bob") is RunState.STOPPING  # the stronger one
    platform.wait_heard(run_id)
    hold.unlink()
    run = platform.wait_ended(run_id, RunState.STOPPED)
    assert (run.wished_by, outcomes(run)) == ("bob", [Outcome.STOPPED])


def test_stopped_run_is_tried_again_by_retry_and_a_succeeded_one_is_not(
    platform: LivePlatform, undisturbed: list[dict[str, Any]]
) -> None:
    hold = platform.hold("retry")
    run_id = platform.submit(held(hold, after=3))
    platform.wait_held(hold)
    platform.wait(run_id, lambda run: run.state is RunState.RUNNING)
    platform.client.wish(run_id, Wish.STOP, by="ann")
    platform.wait_heard(run_id)
    hold.unlink()
    stopped = platform.wait_ended(run_id, RunState.STOPPED)
    assert platform.client.retry(run_id) is RunState.QUEUED
    run = platform.wait_ended(run_id)
    assert rows_of(platform.paths(run)) == undisturbed
    first, second = run.attempts
    assert first == stopped.attempts[0]  # what has ended never changes
    times = [first.created_at, first.started_at, first.ended_at, second.created_at, second.started_at, second.ended_at]
    assert times == sorted(times)  # type: ignore[type-var]
    with pytest.raises(IllegalMove):
        platform.client.retry(run_id)


def test_run_of_higher_priority_has_another_make_room_and_that_goes_on_after_it(
    platform: LivePlatform, undisturbed: list[dict[str, Any]]
) -> None:
    hold = platform.hold("low")
    low = platform.submit(held(hold, after=7), cpus_per_worker=NUM_CPUS, priority=-1)
    platform.wait_held(hold)
    platform.wait(low, lambda run: run.state is RunState.RUNNING)
    high = platform.submit(cpus_per_worker=NUM_CPUS, priority=1)
    assert platform.wait(low, lambda run: run.state is RunState.STOPPING).wished_by == "a run of higher priority"
    platform.wait_heard(low)
    hold.unlink()
    made_room, first = platform.wait_ended(low), platform.wait_ended(high)
    assert outcomes(made_room) == [Outcome.PREEMPTED, Outcome.SUCCEEDED]
    assert first.ended_at is not None
    assert made_room.attempts[1].created_at > first.ended_at
    assert rows_of(platform.paths(made_room)) == undisturbed


def test_run_that_has_succeeded_is_not_stopped(platform: LivePlatform) -> None:
    run_id = platform.submit()
    platform.wait_ended(run_id)
    with pytest.raises(AlreadyEnded):
        platform.client.wish(run_id, Wish.STOP, by="ann")
