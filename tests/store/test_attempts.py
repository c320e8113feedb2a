"""The life of runs and attempts, each move one compare-and-set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.store.conftest import CONFIG, REQUEST, Clock

from utp.errors import FailureKind
from utp.settings import Settings
from utp.store.database import Database
from utp.store.errors import AlreadyEnded, IllegalMove, RunNotFound
from utp.store.policy import LEASE_S, MAX_RETRIES, START_LEASE_S
from utp.store.recorder import Recorder
from utp.store.recorder.attempts import Beat
from utp.store.repositories.run_queue import QueueRepository
from utp.store.states import Health, Outcome, RunState, Wish
from utp.store.tables import Job, Run, RunEvent

Queue = Callable[[], str]
INFRASTRUCTURE = [kind for kind in FailureKind if kind in ("node_lost", "lost", "timeout", "storage_error")]
FINAL = ["user_error", "invalid_config", "data_error", "oom_gpu", "nan", "storage_full", "internal"]


def start(recorder: Recorder, run_id: str, *, start_step: int = 0) -> int:
    """Bring a queued run to its first step; return the attempt."""
    submission = recorder.begin_submission(run_id)
    assert submission is not None
    assert recorder.mark_submitted(run_id, submission.attempt, placement={"node": "a"})
    plan = {"host": "a", "pid": 1, "start_step": start_step, "total_steps": 100, "epochs": 2}
    assert recorder.mark_running(run_id, submission.attempt, **plan)
    return submission.attempt


def column(database: Database, column: Any, run_id: str) -> Any:
    with database.read() as connection:
        return connection.scalar(select(column).where(Run.id == run_id))


def moves(database: Database, run_id: str) -> list[tuple[str | None, str | None]]:
    query = select(RunEvent.old_state, RunEvent.new_state).where(RunEvent.run_id == run_id, RunEvent.kind == "state")
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(RunEvent.seq))]


def test_run_goes_from_queued_to_succeeded_and_each_move_has_its_event(
    recorder: Recorder, queue: Queue, database: Database, clock: Clock
) -> None:
    run_id = queue()
    attempt = start(recorder, run_id)
    clock.now += 60
    end = recorder.end_attempt(run_id, attempt, outcome=Outcome.SUCCEEDED, step=100, epoch=2, metrics={"acc": 0.5})
    assert end is RunState.SUCCEEDED
    states = ["queued", "submitting", "starting", "running", "succeeded"]
    assert moves(database, run_id) == list(zip([None, *states], states, strict=False))
    assert column(database, Run.metrics, run_id) == {"acc": 0.5}
    assert column(database, Run.run_time_s, run_id) == 60


def test_submission_says_all_that_ray_needs(recorder: Recorder, queue: Queue, settings: Settings) -> None:
    run_id = queue()
    submission = recorder.begin_submission(run_id)
    assert submission is not None
    assert submission.submission_id == f"run-{run_id}-a1"
    assert '"builtin/vit-tiny"' in submission.config_json
    assert submission.request["num_workers"] == 1
    assert Path(submission.run_dir).is_dir()
    assert Path(submission.checkpoint_dir).is_dir()


def test_only_the_first_submitter_wins(recorder: Recorder, queue: Queue) -> None:
    run_id = queue()
    assert recorder.begin_submission(run_id) is not None
    assert recorder.begin_submission(run_id) is None
    assert recorder.begin_submission("0" * 32) is None


def test_stopped_run_is_not_submitted(recorder: Recorder, queue: Queue) -> None:
    run_id = queue()
    assert recorder.set_wish(run_id, Wish.STOP, by="ann") is RunState.STOPPED
    assert recorder.begin_submission(run_id) is None


def test_worker_may_speak_before_the_dispatcher(recorder: Recorder, queue: Queue, database: Database) -> None:
    run_id = queue()
    recorder.begin_submission(run_id)
    plan = {"host": "a", "pid": 1, "start_step": 0, "total_steps": 100, "epochs": 2}
    assert recorder.mark_running(run_id, 1, **plan)
    assert recorder.mark_submitted(run_id, 1, placement={"node": "a"})
    assert column(database, Run.state, run_id) is RunState.RUNNING


def test_the_same_word_twice_changes_nothing(recorder: Recorder, queue: Queue, database: Database) -> None:
    run_id = queue()
    start(recorder, run_id)
    before = moves(database, run_id)
    assert recorder.mark_submitted(run_id, 1, placement={"node": "a"})
    assert recorder.mark_running(run_id, 1, host="a", pid=1, start_step=0, total_steps=100, epochs=2)
    assert moves(database, run_id) == before


def test_first_word_on_an_end_is_the_last(recorder: Recorder, queue: Queue, database: Database) -> None:
    run_id = queue()
    start(recorder, run_id)
    recorder.end_attempt(run_id, 1, outcome=Outcome.SUCCEEDED)
    assert recorder.end_attempt(run_id, 1, outcome=Outcome.LOST) is None
    assert column(database, Run.state, run_id) is RunState.SUCCEEDED


def test_superseded_attempt_is_told_to_leave(recorder: Recorder, queue: Queue, clock: Clock) -> None:
    run_id = queue()
    start(recorder, run_id)
    assert recorder.beat(run_id, 1, step=5, epoch=1) is Wish.NONE
    recorder.end_attempt(run_id, 1, outcome=Outcome.LOST)
    assert recorder.beat(run_id, 1, step=6, epoch=1) is None
    start(recorder, run_id)
    assert recorder.beat(run_id, 1, step=7, epoch=1) is None
    assert recorder.beat(run_id, 2, step=1, epoch=1) is Wish.NONE
    assert recorder.end_attempt(run_id, 1, outcome=Outcome.FAILED) is None
    assert not recorder.mark_submitted(run_id, 1, placement={})


def test_lease_is_renewed_by_beats_and_passes_without(
    recorder: Recorder, database: Database, queue: Queue, clock: Clock
) -> None:
    run_id = queue()
    active = QueueRepository(database).active
    start(recorder, run_id)
    clock.now += LEASE_S - 1
    recorder.beat(run_id, 1, step=5, epoch=1)
    clock.now += LEASE_S - 1
    [row] = active()
    assert not row.lease_until_passed
    assert row.last_progress_age_s == LEASE_S - 1
    clock.now += 2
    [row] = active()
    assert row.lease_until_passed
    assert (row.step, row.run_time_s) == (5, 2 * LEASE_S)


def test_start_has_a_longer_lease(recorder: Recorder, database: Database, queue: Queue, clock: Clock) -> None:
    run_id = queue()
    submission = recorder.begin_submission(run_id)
    assert submission is not None
    recorder.mark_submitted(run_id, 1, placement={})
    clock.now += START_LEASE_S - 1
    assert not QueueRepository(database).active()[0].lease_until_passed
    clock.now += 2
    assert QueueRepository(database).active()[0].lease_until_passed


def test_many_beats_are_one_transaction(recorder: Recorder, database: Database, queue: Queue) -> None:
    runs = [queue() for _ in range(3)]
    for run_id in runs[:2]:
        start(recorder, run_id)
    recorder.set_wish(runs[1], Wish.PAUSE, by="ann")
    beats = [Beat(run_id=run_id, attempt=1, step=3, epoch=1) for run_id in runs]
    assert recorder.beat_all(beats) == {runs[0]: Wish.NONE, runs[1]: Wish.PAUSE, runs[2]: None}
    assert column(database, Run.step, runs[1]) == 3


@pytest.mark.parametrize(
    ("wish", "reported", "outcome", "state"),
    [
        (Wish.STOP, Outcome.STOPPED, Outcome.STOPPED, RunState.STOPPED),
        (Wish.PAUSE, Outcome.STOPPED, Outcome.PAUSED, RunState.PAUSED),
        (Wish.PREEMPT, Outcome.PREEMPTED, Outcome.PREEMPTED, RunState.QUEUED),
        (Wish.STOP, Outcome.PREEMPTED, Outcome.STOPPED, RunState.STOPPED),
        (Wish.STOP, Outcome.SUCCEEDED, Outcome.SUCCEEDED, RunState.SUCCEEDED),
        (Wish.STOP, Outcome.LOST, Outcome.LOST, RunState.STOPPED),
        (Wish.PAUSE, Outcome.LOST, Outcome.LOST, RunState.PAUSED),
    ],
)
def test_wish_decides_what_becomes_of_a_run_that_left(
    recorder: Recorder,
    queue: Queue,
    database: Database,
    wish: Wish,
    reported: Outcome,
    outcome: Outcome,
    state: RunState,
) -> None:
    run_id = queue()
    start(recorder, run_id)
    assert recorder.set_wish(run_id, wish, by="ann") is RunState.STOPPING
    assert recorder.beat(run_id, 1, step=1, epoch=1) is wish
    assert recorder.end_attempt(run_id, 1, outcome=reported) is state
    with database.read() as connection:
        assert connection.scalar(select(Job.outcome).where(Job.run_id == run_id)) is outcome
    assert column(database, Run.wish, run_id) is Wish.NONE


def test_stronger_wish_replaces_a_weaker_one_only(recorder: Recorder, queue: Queue) -> None:
    run_id = queue()
    start(recorder, run_id)
    for wish, answer in [(Wish.PREEMPT, Wish.PREEMPT), (Wish.STOP, Wish.STOP), (Wish.PAUSE, Wish.STOP)]:
        recorder.set_wish(run_id, wish, by="")
        assert recorder.beat(run_id, 1, step=1, epoch=1) is answer


def test_wish_for_an_ended_run_comes_too_late(recorder: Recorder, queue: Queue) -> None:
    run_id = queue()
    start(recorder, run_id)
    recorder.end_attempt(run_id, 1, outcome=Outcome.SUCCEEDED)
    with pytest.raises(AlreadyEnded, match="has ended already: succeeded"):
        recorder.set_wish(run_id, Wish.STOP, by="ann")
    with pytest.raises(RunNotFound):
        recorder.set_wish("0" * 32, Wish.STOP, by="ann")


def test_stop_while_ray_is_asked_makes_the_dispatcher_stop_the_job(recorder: Recorder, queue: Queue) -> None:
    run_id = queue()
    recorder.begin_submission(run_id)
    recorder.set_wish(run_id, Wish.STOP, by="ann")
    assert not recorder.mark_submitted(run_id, 1, placement={})


@pytest.mark.parametrize("kind", FINAL)
def test_failure_of_the_run_itself_is_not_tried_again(recorder: Recorder, queue: Queue, kind: str) -> None:
    run_id = queue()
    start(recorder, run_id)
    end = recorder.end_attempt(run_id, 1, outcome=Outcome.FAILED, failure_kind=FailureKind(kind), message="it broke")
    assert end is RunState.FAILED


@pytest.mark.parametrize("kind", INFRASTRUCTURE)
def test_failure_of_the_infrastructure_is_tried_again_with_back_off_until_the_cap(
    recorder: Recorder, queue: Queue, database: Database, clock: Clock, kind: FailureKind
) -> None:
    run_id = queue()
    waits = []
    for attempt in range(1, MAX_RETRIES + 1):
        assert start(recorder, run_id) == attempt
        assert recorder.end_attempt(run_id, attempt, outcome=Outcome.FAILED, failure_kind=kind) is RunState.QUEUED
        [row] = QueueRepository(database).queued()
        waits.append(row.not_before_s)
    assert waits == [10, 20, 40]
    start(recorder, run_id)
    assert recorder.end_attempt(run_id, MAX_RETRIES + 1, outcome=Outcome.FAILED, failure_kind=kind) is RunState.FAILED
    assert recorder.retry(run_id) is RunState.QUEUED
    assert column(database, Run.retries, run_id) == 0


def test_host_out_of_memory_is_tried_once_more(recorder: Recorder, queue: Queue) -> None:
    run_id = queue()
    oom = {"outcome": Outcome.FAILED, "failure_kind": FailureKind.OOM_HOST}
    start(recorder, run_id)
    assert recorder.end_attempt(run_id, 1, **oom) is RunState.QUEUED
    start(recorder, run_id)
    assert recorder.end_attempt(run_id, 2, outcome=Outcome.LOST) is RunState.QUEUED
    start(recorder, run_id)
    assert recorder.end_attempt(run_id, 3, **oom) is RunState.FAILED


def test_preemption_costs_no_retry(recorder: Recorder, queue: Queue, database: Database) -> None:
    run_id = queue()
    for attempt in range(1, MAX_RETRIES + 3):
        assert start(recorder, run_id) == attempt
        assert recorder.end_attempt(run_id, attempt, outcome=Outcome.PREEMPTED) is RunState.QUEUED
    [row] = QueueRepository(database).queued()
    assert row.not_before_s == 0
    assert column(database, Run.retries, run_id) == 0


def test_what_can_not_be_started_again_says_what_to_do(recorder: Recorder, queue: Queue) -> None:
    run_id = queue()
    start(recorder, run_id)
    with pytest.raises(IllegalMove, match="is running and can't retry; wait for its end, or stop it"):
        recorder.retry(run_id)
    recorder.end_attempt(run_id, 1, outcome=Outcome.SUCCEEDED)
    with pytest.raises(IllegalMove, match="is succeeded and can't resume; queue a new run with its config"):
        recorder.resume(run_id)


def test_paused_run_goes_on_as_the_next_attempt(recorder: Recorder, queue: Queue) -> None:
    run_id = queue()
    assert recorder.set_wish(run_id, Wish.PAUSE, by="") is RunState.PAUSED
    assert recorder.resume(run_id) is RunState.QUEUED
    assert start(recorder, run_id) == 1


def test_stall_is_flagged_until_it_ends(recorder: Recorder, queue: Queue, database: Database) -> None:
    run_id = queue()
    start(recorder, run_id)
    assert recorder.set_health(run_id, 1, Health.STALLED, "no step for 300 s")
    assert not recorder.set_health(run_id, 1, Health.STALLED, "no step for 300 s")
    assert column(database, Run.health, run_id) is Health.STALLED
    recorder.end_attempt(run_id, 1, outcome=Outcome.LOST)
    assert column(database, Run.health, run_id) is Health.OK
    assert not recorder.set_health(run_id, 1, Health.STALLED)


def test_job_given_to_ray_directly_becomes_a_run_once(
    recorder: Recorder, settings: Settings, database: Database
) -> None:
    runs = [recorder.register_job(CONFIG, REQUEST, "raysubmit_x", settings=settings) for _ in range(2)]
    assert runs[0] == runs[1]
    [row] = QueueRepository(database).active()
    assert (row.state, row.attempt, row.submission_id) == (RunState.STARTING, 1, "raysubmit_x")
    assert recorder.beat(runs[0].id, 1, step=0, epoch=0) is Wish.NONE
