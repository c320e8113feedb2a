"""Prepared queries answer what SQLAlchemy answers, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import bindparam, select, text

from utp.store.database import Database
from utp.store.errors import NotAtOnce
from utp.store.prepared import MAX_PLANS, Prepared
from utp.store.recorder import Recorder
from utp.store.states import RunState
from utp.store.tables.job import Job
from utp.store.tables.run import Run

Queue = Callable[[], str]

ALL = list(Run.__table__.columns)
JOINED = select(*ALL, (Job.lease_until - bindparam("now")).label("left_s")).outerjoin(Job, Job.run_id == Run.id)
BY_IDS = JOINED.where(Run.id.in_(bindparam("ids", expanding=True))).order_by(Run.id)
BY_STATES = BY_IDS.where(Run.state.in_(bindparam("states", expanding=True)))


@pytest.fixture
def ids(queue: Queue, recorder: Recorder) -> list[str]:
    made = sorted(queue() for _ in range(4))
    recorder.begin_submission(made[1])
    recorder.mark_running(made[1], 1, host="a", pid=1, start_step=0, total_steps=9, epochs=1)
    return made


def test_rows_are_those_of_sqlalchemy_with_lists_of_any_length(database: Database, ids: list[str]) -> None:
    by_ids, by_states = Prepared(BY_IDS), Prepared(BY_STATES)
    with database.read() as connection:
        for chosen in ([], ids[:1], ids, ids[1:3], [*ids, "unknown"]):
            values = {"ids": chosen, "now": 3.5}
            expected = [tuple(row) for row in connection.execute(BY_IDS, values)]
            assert list(map(tuple, by_ids.rows(connection, values))) == expected
            assert len(expected) == len(set(chosen) & set(ids))
            for states in ([], [RunState.RUNNING], [RunState.QUEUED, RunState.RUNNING]):
                expected = [tuple(row) for row in connection.execute(BY_STATES, {**values, "states": states})]
                found = list(map(tuple, by_states.rows(connection, {**values, "states": states})))
                assert found == expected
                assert [type(value) for row in found for value in row] == [
                    type(value) for row in expected for value in row
                ]


def test_many_lengths_of_lists_are_not_all_kept(database: Database) -> None:
    query = Prepared(select(Run.id).where(Run.id.in_(bindparam("ids", expanding=True))))
    with database.read() as connection:
        for length in range(MAX_PLANS + 20):
            assert query.rows(connection, {"ids": ["x"] * length}) == []
    assert len(query._plans) <= MAX_PLANS


def test_all_prepared_queries_of_an_answer_see_one_state(
    database: Database, ids: list[str], recorder: Recorder
) -> None:
    query = Prepared(select(Run.id, Run.notes).where(Run.id == bindparam("id")))
    with database.read() as connection:
        before = query.rows(connection, {"id": ids[0]})
        recorder.annotate_run(ids[0], {"notes": "changed"}, lambda _: None)
        assert query.rows(connection, {"id": ids[0]}) == before
    with database.read() as connection:
        assert query.rows(connection, {"id": ids[0]}) == [(ids[0], "changed")]


def test_error_of_the_driver_is_sqlalchemys(database: Database, ids: list[str]) -> None:
    query = Prepared(select(text("missing")).select_from(Run))
    with database.read() as connection, pytest.raises(Exception, match="missing") as caught:
        query.rows(connection, {})
    assert type(caught.value).__module__ == "sqlalchemy.exc"


def test_look_up_sees_each_commit_and_leaves_to_a_thread_what_may_wait(
    database: Database, ids: list[str], recorder: Recorder
) -> None:
    query = Prepared(select(Run.notes).where(Run.id == bindparam("id")))
    if not database.is_sqlite:
        with pytest.raises(NotAtOnce):
            database.look_up(query, {"id": ids[0]})
        return
    for notes in ("one", "two"):
        recorder.annotate_run(ids[0], {"notes": notes}, lambda _: None)
        assert database.look_up(query, {"id": ids[0]})[0] == [(notes,)]
    with pytest.raises(NotAtOnce):
        database.look_up(Prepared(select(text("missing")).select_from(Run)), {})


def test_threads_that_ask_at_once_all_get_whole_answers(database: Database, ids: list[str], recorder: Recorder) -> None:
    query = Prepared(select(Run.id, Run.notes, Run.tags).order_by(Run.id))
    told: list[list[str]] = []

    def ask(last: str) -> None:
        seen: list[str] = []
        while not seen or seen[-1] != last:
            answer = database.rows(query, {})
            assert [row[0] for row in answer] == ids
            assert all(row[2] == [] for row in answer)
            seen.append(answer[0][1])
        told.append(seen)

    notes = [f"{number:03}" for number in range(50)]
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, notes[-1]) for _ in range(4)]
        for each in notes:
            recorder.annotate_run(ids[0], {"notes": each}, lambda _: None)
    for future in asking:
        future.result()
    assert [seen == sorted(seen) for seen in told] == [True] * 4  # nobody went back to an older state


def test_rows_within_a_read_are_of_its_state(database: Database, ids: list[str], recorder: Recorder) -> None:
    query = Prepared(select(Run.notes).where(Run.id == bindparam("id")))
    with database.read() as connection:
        assert query.rows(connection, {"id": ids[0]}) == [("",)]
        recorder.annotate_run(ids[0], {"notes": "later"}, lambda _: None)
        assert list(map(tuple, database.rows(query, {"id": ids[0]}))) == [("",)]
    assert list(map(tuple, database.rows(query, {"id": ids[0]}))) == [("later",)]


def test_rows_that_can_not_be_read_are_an_error_of_the_driver(database: Database, ids: list[str]) -> None:
    with pytest.raises(Exception, match="missing"):
        database.rows(Prepared(select(text("missing")).select_from(Run)), {})
