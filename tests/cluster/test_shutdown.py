"""What becomes of live runs when the platform ends, on a real store with a Ray that the test plays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.dispatching import Stage

from utp.cluster.shutdown import save_and_queue_again, settle_all
from utp.store.repositories.run_queue import ActiveRow
from utp.store.states import Outcome, RunState, Wish


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def start_one(stage: Stage) -> str:
    run_id = stage.submit()
    stage.step()
    stage.begin(run_id)
    stage.beat(run_id)
    return run_id


def shut_down(stage: Stage, wait_s: float = 60.0) -> tuple[bool, list[float]]:
    """Ask for an end with a dispatcher that goes on all the while; return whether all left, and the countdown."""
    left: list[float] = []
    stage.dispatcher.set_admission(is_open=False)

    def show(active: Sequence[ActiveRow], left_s: float) -> None:
        left.append(left_s)

    have_left = save_and_queue_again(stage.database, wait_s, show, clock=lambda: stage.now, sleep=stage.step)
    return have_left, left


def test_run_that_saves_is_queued_again_and_not_started_before_the_end(stage: Stage) -> None:
    run_id = start_one(stage)
    stage.write_result(run_id, outcome="preempted", step=7, epoch=0)
    have_left, left = shut_down(stage)
    assert have_left
    assert left == [60.0]
    assert stage.state(run_id) is RunState.QUEUED
    stage.step(1.0)
    assert stage.state(run_id) is RunState.QUEUED
    assert settle_all(stage.database, stage.settings) == []
    stage.restart()  # the next `utp up`
    stage.step()
    assert stage.run(run_id).attempt == 2


def test_run_that_does_not_save_is_not_waited_for_any_longer(stage: Stage) -> None:
    run_id = start_one(stage)
    have_left, left = shut_down(stage, wait_s=3.0)
    assert not have_left
    assert left == sorted(left, reverse=True)
    assert (stage.state(run_id), stage.run(run_id).wish) == (RunState.STOPPING, Wish.PREEMPT)
    assert settle_all(stage.database, stage.settings) == [stage.run(run_id).name]
    assert stage.state(run_id) is RunState.QUEUED
    assert stage.run(run_id).retries == 0
    assert stage.attempts(run_id)[0].outcome is Outcome.PREEMPTED


def test_no_run_stays_shown_as_running_when_all_ended_at_once(stage: Stage) -> None:
    stage.machines.states = [*stage.machines.states, *stage.machines.states]
    started, submitted = start_one(stage), stage.submit()
    stage.recorder.begin_submission(submitted)
    stage.write_result(started, outcome="succeeded", step=9, epoch=1)
    assert settle_all(stage.database, stage.settings) == [stage.run(submitted).name]
    assert stage.state(started) is RunState.SUCCEEDED
    assert stage.state(submitted) is RunState.QUEUED


def test_stop_that_was_asked_before_is_kept(stage: Stage) -> None:
    run_id = start_one(stage)
    stage.recorder.set_wish(run_id, Wish.STOP, by="ann")
    shut_down(stage, wait_s=1.0)
    settle_all(stage.database, stage.settings)
    assert stage.state(run_id) is RunState.STOPPED


def test_run_that_a_signal_of_the_end_stopped_is_queued_again(stage: Stage) -> None:
    run_id = start_one(stage)
    stage.write_result(run_id, outcome="stopped", kind="stopped", message="by a second signal", step=7, epoch=0)
    settle_all(stage.database, stage.settings)
    assert stage.state(run_id) is RunState.QUEUED
