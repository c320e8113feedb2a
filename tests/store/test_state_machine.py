"""Whatever two actors and a worker do in whatever order: ended attempts stay as they are, one attempt may save."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from utp.errors import FailureKind
from utp.store.database import Database
from utp.store.errors import AlreadyEnded, IllegalMove
from utp.store.policy import MAX_RETRIES, RETRIES, judge
from utp.store.recorder import Recorder
from utp.store.repositories.events import EventRepository
from utp.store.states import ENDED, LIVE, MOVES, STATE_OF_WISH, Outcome, RunState, Wish, may_move
from utp.store.tables import Job, Run

Queue = Callable[[], str]
PLAN: dict[str, Any] = {"host": "a", "pid": 1, "start_step": 0, "total_steps": 10, "epochs": 1}
WISHES = [Wish.STOP, Wish.PAUSE, Wish.PREEMPT]

ATTEMPTS = st.integers(1, 4)
OPERATIONS = st.one_of(
    st.tuples(st.just("begin")),
    st.tuples(st.just("submitted"), ATTEMPTS),
    st.tuples(st.just("running"), ATTEMPTS),
    st.tuples(st.just("beat"), ATTEMPTS),
    st.tuples(st.just("end"), ATTEMPTS, st.sampled_from(Outcome), st.none() | st.sampled_from(FailureKind)),
    st.tuples(st.just("wish"), st.sampled_from(WISHES)),
    st.tuples(st.just("retry")),
    st.tuples(st.just("resume")),
)


def apply(recorder: Recorder, run_id: str, operation: tuple[Any, ...]) -> Any:
    name, *arguments = operation
    try:
        match name:
            case "begin":
                return recorder.begin_submission(run_id)
            case "submitted":
                return recorder.mark_submitted(run_id, arguments[0], placement={})
            case "running":
                return recorder.mark_running(run_id, arguments[0], **PLAN)
            case "beat":
                return recorder.beat(run_id, arguments[0], step=1, epoch=1)
            case "end":
                return recorder.end_attempt(run_id, arguments[0], outcome=arguments[1], failure_kind=arguments[2])
            case "wish":
                return recorder.set_wish(run_id, arguments[0], by="")
            case _:
                return getattr(recorder, name)(run_id)
    except (AlreadyEnded, IllegalMove) as error:
        return error


def read(database: Database, run_id: str) -> tuple[Any, dict[int, Any]]:
    with database.read() as connection:
        run = connection.execute(select(Run.state, Run.attempt, Run.retries).where(Run.id == run_id)).one()
        query = select(Job.attempt, Job.outcome, Job.failure_kind, Job.message, Job.ended_at, Job.rank)
        return run, {row.attempt: row for row in connection.execute(query.where(Job.run_id == run_id))}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(OPERATIONS, max_size=20))
def test_any_sequence_keeps_the_invariants(
    recorder: Recorder, database: Database, queue: Queue, operations: list[tuple[Any, ...]]
) -> None:
    run_id = queue()
    ended: dict[int, Any] = {}
    for operation in operations:
        apply(recorder, run_id, operation)
        run, jobs = read(database, run_id)
        for attempt, row in ended.items():
            assert jobs[attempt] == row, "I1: an ended attempt has changed"
        ended = {attempt: row for attempt, row in jobs.items() if row.outcome is not None}
        assert set(jobs) == set(range(1, run.attempt + 1))
        going = {attempt for attempt, row in jobs.items() if row.outcome is None}
        assert going == ({run.attempt} if run.state in LIVE else set())
        assert run.retries <= MAX_RETRIES
    heard = {attempt for attempt in range(1, 6) if recorder.beat(run_id, attempt, step=2, epoch=1) is not None}
    run, _ = read(database, run_id)
    assert heard == ({run.attempt} if run.state in LIVE else set()), "I2: only the newest live attempt may save"
    moves = [event for event in EventRepository(database).after(0, run_id=run_id) if event.kind == "state"]
    states = [event.new_state for event in moves]
    assert states[-1] is run.state
    assert [event.old_state for event in moves] == [None, *states[:-1]]
    assert all(may_move(event.old_state, event.new_state) for event in moves if event.old_state and event.new_state)


@pytest.mark.parametrize("operation", [("begin",), ("end", 1, Outcome.LOST, None), ("wish", Wish.STOP), ("retry",)])
def test_of_racing_actors_one_wins(
    recorder: Recorder, database: Database, queue: Queue, operation: tuple[Any, ...]
) -> None:
    run_id = queue()
    if operation[0] in ("end", "retry", "wish"):
        recorder.begin_submission(run_id)
    if operation[0] == "retry":
        recorder.end_attempt(run_id, 1, outcome=Outcome.FAILED)
    before = len(EventRepository(database).after(0))
    barrier = Barrier(8)

    def act(_: int) -> Any:
        barrier.wait()
        return apply(recorder, run_id, operation)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(act, range(8)))
    assert len(EventRepository(database).after(0)) == before + 1
    if operation[0] in ("begin", "end"):
        assert sum(answer is not None for answer in answers) == 1
    else:
        assert len(set(answers)) == 1


def test_every_state_can_be_left_but_for_success() -> None:
    assert {state for state, moves in MOVES.items() if not moves} == {RunState.SUCCEEDED}
    assert MOVES.keys() == set(RunState)
    assert all(RunState.QUEUED in MOVES[state] for state in (ENDED | {RunState.PAUSED}) - {RunState.SUCCEEDED})
    reachable, fresh = set(), {RunState.DRAFT}
    while fresh:
        reachable |= fresh
        fresh = set().union(*(MOVES[state] for state in fresh)) - reachable
    assert reachable == set(RunState)


@given(
    st.sampled_from(Outcome),
    st.none() | st.sampled_from(FailureKind),
    st.sampled_from(Wish),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_any_end_of_an_attempt_leads_to_a_legal_state(
    outcome: Outcome, kind: FailureKind | None, wish: Wish, retries: int, retries_of_kind: int
) -> None:
    verdict = judge(outcome, kind, wish=wish, retries=retries, retries_of_kind=min(retries, retries_of_kind))
    assert all(may_move(state, verdict.state) for state in LIVE)
    assert verdict.is_charged == (verdict.backoff_s > 0)
    if verdict.is_charged:
        assert retries < MAX_RETRIES
        assert wish not in (Wish.STOP, Wish.PAUSE)
        assert kind in RETRIES or outcome is Outcome.LOST
    if wish is Wish.STOP and verdict.state not in (RunState.SUCCEEDED, RunState.FAILED):
        assert verdict.state is STATE_OF_WISH[wish], "I7: it stops, or it had ended by itself"
