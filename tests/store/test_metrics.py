"""Points of metrics: in by rows, folded into blocks, out as curves."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from utp.store.database import Database
from utp.store.errors import AttemptNotStarted, RunNotFound
from utp.store.metric_blocks import coarser_copies, keep_extremes, make_points, thin_out, unpack
from utp.store.recorder import Recorder, points
from utp.store.repositories.curves import CurveRepository
from utp.store.states import Outcome
from utp.store.tables import MetricBlock, MetricPoint, RunEvent

Queue = Callable[[], str]


def start(recorder: Recorder, run_id: str, start_step: int = 0) -> int:
    submission = recorder.begin_submission(run_id)
    assert submission is not None
    mark_running(recorder, run_id, submission.attempt, start_step)
    return submission.attempt


def mark_running(recorder: Recorder, run_id: str, attempt: int, start_step: int) -> bool:
    plan = {"host": "a", "pid": 1, "total_steps": 10_000, "epochs": 1}
    return recorder.mark_running(run_id, attempt, start_step=start_step, **plan)


def train_rows(steps: range | list[int], value: Callable[[int], float] = float) -> list[dict[str, Any]]:
    return [{"kind": "train", "step": step, "epoch": 1, "train_loss": value(step)} for step in steps]


def curve(database: Database, run_id: str, name: str = "train_loss", **options: Any) -> dict[int, float]:
    curves = CurveRepository(database).read_curves([run_id], [name], **{"max_points": 1_000_000, **options})
    return {int(step): value for one in curves for step, value in zip(one.points.steps, one.points.values, strict=True)}


def count(database: Database, table: Any) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_rows_come_back_as_curves(recorder: Recorder, database: Database, queue: Queue) -> None:
    run_id = queue()
    start(recorder, run_id)
    row = {"kind": "epoch", "step": 10, "epoch": 1, "attempt": 1, "time": "2026-01-02T00:00:00.500+00:00"}
    recorder.record_rows(run_id, 1, [{**row, "val_acc@1": 0.25, "val_map": None, "note": "text", "odd": math.nan}])
    names = ["val_acc@1", "val_map", "note", "odd", "time", "epoch", "attempt", "step"]
    curves = CurveRepository(database).read_curves([run_id], names)
    found = {one.name: (one.kind, list(one.points.steps), list(one.points.values)) for one in curves}
    assert found == {
        "val_acc@1": ("epoch", [10], [0.25]),
        "time": ("epoch", [10], [1767312000.5]),
        "epoch": ("epoch", [10], [1.0]),
    }


def test_points_are_folded_and_none_is_lost(recorder: Recorder, database: Database, queue: Queue) -> None:
    run_id = queue()
    start(recorder, run_id)
    for first in range(0, 2500, 50):
        recorder.record_rows(run_id, 1, train_rows(range(first, first + 50)))
    assert curve(database, run_id) == {step: float(step) for step in range(2500)}
    assert count(database, MetricPoint) < 2 * points.FOLD_AT
    assert count(database, MetricBlock) == 2 * 3
    latest = CurveRepository(database).latest_values([run_id])[run_id]
    assert [(one.name, one.step, one.value, one.num_points) for one in latest] == [
        ("epoch", 2499, 1.0, 2500),
        ("train_loss", 2499, 2499.0, 2500),
    ]


def test_rows_sent_twice_count_once(recorder: Recorder, database: Database, queue: Queue) -> None:
    run_id = queue()
    start(recorder, run_id)
    epoch = {"kind": "epoch", "step": 30, "epoch": 1, "val_loss": 1.0}
    for _ in range(2):
        recorder.record_rows(run_id, 1, [*train_rows(range(30)), epoch])
        recorder.record_rows(run_id, 1, train_rows(range(20, 250)))
    assert curve(database, run_id) == {step: float(step) for step in range(250)}
    with database.read() as connection:
        events = connection.execute(select(RunEvent.data).where(RunEvent.kind == "epoch")).scalars().all()
    assert events == [epoch]


def test_resumed_attempt_replaces_what_lies_beyond_its_first_step(
    recorder: Recorder, database: Database, queue: Queue
) -> None:
    run_id = queue()
    start(recorder, run_id)
    recorder.record_rows(run_id, 1, train_rows(range(1, 2301)))
    recorder.end_attempt(run_id, 1, outcome=Outcome.LOST)
    start(recorder, run_id, start_step=1200)
    assert max(curve(database, run_id)) == 1200
    recorder.record_rows(run_id, 2, train_rows(range(1201, 1301), lambda step: -step))
    recorder.record_rows(run_id, 1, train_rows(range(1100, 2400)))  # late, and for the most part void
    assert curve(database, run_id) == {step: float(step if step <= 1200 else -step) for step in range(1, 1301)}


def test_rows_that_were_never_delivered_find_their_place_later(
    recorder: Recorder, database: Database, queue: Queue
) -> None:
    run_id = queue()
    recorder.begin_submission(run_id)
    recorder.end_attempt(run_id, 1, outcome=Outcome.LOST)
    start(recorder, run_id, start_step=500)
    recorder.record_rows(run_id, 2, train_rows(range(501, 701)))
    with pytest.raises(AttemptNotStarted, match=r"attempt 1 .* call mark_running before"):
        recorder.record_rows(run_id, 1, train_rows(range(10)))
    assert not mark_running(recorder, run_id, 1, 0)
    recorder.record_rows(run_id, 1, train_rows(range(600)))
    assert curve(database, run_id) == {step: float(step) for step in range(701)}
    with pytest.raises(RunNotFound):
        recorder.record_rows(run_id, 3, train_rows(range(10)))


@pytest.mark.parametrize("num_points", [999, 10_000, 10_050, 23_456])
def test_thinned_curve_keeps_ends_and_spikes(
    recorder: Recorder, database: Database, queue: Queue, num_points: int
) -> None:
    run_id = queue()
    start(recorder, run_id)
    values = [math.sin(step / 300) for step in range(num_points)]
    spikes = random.Random(0).sample(range(num_points), 2)
    values[spikes[0]], values[spikes[1]] = 50.0, -50.0
    recorder.record_rows(run_id, 1, train_rows(range(num_points), values.__getitem__))
    thin = curve(database, run_id, max_points=200)
    assert len(thin) <= 200
    assert (thin[spikes[0]], thin[spikes[1]]) == (50.0, -50.0)
    assert {0, num_points - 1} <= thin.keys()
    assert all(values[step] == value for step, value in thin.items())


def test_part_of_a_curve_is_read_at_its_own_resolution(recorder: Recorder, database: Database, queue: Queue) -> None:
    run_id = queue()
    start(recorder, run_id)
    recorder.record_rows(run_id, 1, train_rows(range(10_050)))
    part = curve(database, run_id, max_points=5000, first_step=1995, last_step=3004)
    assert list(part) == list(range(1995, 3005))
    tail = curve(database, run_id, max_points=100, first_step=5000)
    assert min(tail) == 5000
    assert max(tail) == 10_049
    assert len(tail) <= 100


def test_curves_of_many_runs_come_in_order_and_only_those_asked_for(
    recorder: Recorder, database: Database, queue: Queue
) -> None:
    runs = [queue() for _ in range(3)]
    for run_id in runs:
        start(recorder, run_id)
        rows = [{"kind": kind, "step": 1, "epoch": 1, "loss": 1.0, "lr": 0.1} for kind in ("train", "epoch")]
        recorder.record_rows(run_id, 1, rows)
    read = CurveRepository(database).read_curves
    assert [(one.run_id, one.kind) for one in read(runs[:2], ["loss"], kind="epoch")] == [
        (runs[0], "epoch"),
        (runs[1], "epoch"),
    ]
    assert len(read(runs, ["loss", "lr", "unknown"])) == 12
    assert read([], ["loss"]) == []


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FLOATS, min_size=1, max_size=300), st.integers(4, 50))
def test_thinning_keeps_extremes_of_any_points(values: list[float], max_points: int) -> None:
    whole = make_points(range(len(values)), values)
    thin = thin_out(whole, max_points)
    assert len(thin) <= max_points
    assert (min(thin.values), max(thin.values)) == (min(values), max(values))
    assert (thin.steps[0], thin.steps[-1]) == (0, len(values) - 1)
    assert list(thin.steps) == sorted(set(thin.steps))
    assert unpack(whole.pack()) == whole
    for copy in coarser_copies(whole):
        assert (min(copy.values), max(copy.values)) == (min(values), max(values))
    assert len(keep_extremes(whole, 10)) <= 2 * math.ceil(len(values) / 10)


ATTEMPTS = st.lists(
    st.tuples(
        st.integers(0, 60),  # where it resumes from, if there is so much
        st.integers(0, 60),  # steps that it does
        st.lists(st.tuples(st.integers(0, 60), st.integers(1, 60)), max_size=4),  # pieces sent again
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ATTEMPTS)
def test_any_history_of_attempts_gives_the_curve_that_the_journals_give(
    recorder: Recorder, database: Database, queue: Queue, attempts: list[tuple[int, int, list[tuple[int, int]]]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(points, "FOLD_AT", 4)
        patch.setattr(points, "BLOCK_SIZE", 7)
        run_id = queue()
        expected: dict[int, float] = {}
        sent: list[tuple[int, list[dict[str, Any]]]] = []
        for resumed_from, num_steps, again in attempts:
            start_step = min(resumed_from, max(expected, default=0))
            number = start(recorder, run_id, start_step)
            rows = train_rows(
                range(start_step + 1, start_step + num_steps + 1), lambda step, number=number: step + number / 8
            )
            expected = {step: value for step, value in expected.items() if step <= start_step}
            expected |= {row["step"]: row["train_loss"] for row in rows}
            sent.append((number, rows))
            for first in range(0, len(rows), 5):
                recorder.record_rows(run_id, number, rows[first : first + 5])
            for first, size in again:
                earlier, old_rows = sent[first % len(sent)]
                recorder.record_rows(run_id, earlier, old_rows[first : first + size])
            assert curve(database, run_id) == expected
            recorder.end_attempt(run_id, number, outcome=Outcome.PREEMPTED)
        assert curve(database, run_id) == expected
