"""The line of runs that wait, machines' rings, scans and models, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select
from tests.store.conftest import Clock

from utp.store.access import Stage
from utp.store.database import Database
from utp.store.errors import Conflict, IllegalMove
from utp.store.recorder import Recorder
from utp.store.recorder.creation import KEY_LIFE_S, CreationKey
from utp.store.recorder.datasets import MAX_SCANS, SCAN_SILENCE_S
from utp.store.recorder.inventory import AgentFacts, GpuFacts
from utp.store.recorder.machine_samples import MachineSample
from utp.store.recorder.waiting import Wait
from utp.store.repositories.agents import AgentRepository
from utp.store.repositories.datasets import DatasetRepository
from utp.store.repositories.machine_history import MachineHistoryRepository
from utp.store.repositories.models import ModelRepository
from utp.store.repositories.queue_page import QueuePageRepository
from utp.store.repositories.run_queue import QueueRepository
from utp.store.states import Wish
from utp.store.tables.idempotency_key import IdempotencyKey

Queue = Callable[[], str]


def test_moved_run_stands_ahead_in_the_line_that_the_dispatcher_reads(
    recorder: Recorder, queue: Queue, database: Database
) -> None:
    first, second, third = queue(), queue(), queue()
    recorder.set_priority(first, 5)
    recorder.move_in_queue(third, first)
    assert [row.run_id for row in QueueRepository(database).changes(None).rows] == [third, first, second]
    recorder.begin_submission(second)
    with pytest.raises(IllegalMove):
        recorder.move_in_queue(third, second)


def test_reading_behind_an_event_tells_what_has_changed_in_the_line(
    recorder: Recorder, queue: Queue, database: Database
) -> None:
    first, second, third, fourth = queue(), queue(), queue(), queue()
    repository = QueueRepository(database)
    whole = repository.changes(None)
    assert whole.is_whole
    assert len(whole.rows) == 4
    assert repository.changes(whole.last_event).rows == []
    recorder.set_priority(first, 5)
    recorder.set_wish(second, Wish.STOP, by="ann")
    some = repository.changes(whole.last_event)
    assert [(row.run_id, row.priority) for row in some.rows] == [(first, 5)]
    assert some.left == {first, second}
    recorder.move_in_queue(fourth, third)  # changes the age of the other as well
    moved = repository.changes(some.last_event)
    assert moved.is_whole
    assert [row.run_id for row in moved.rows] == [first, fourth, third]
    fifth = queue()
    assert [row.run_id for row in repository.changes(moved.last_event).rows] == [fifth]


def test_place_and_estimate_are_told_until_the_run_is_queued_anew(
    recorder: Recorder, queue: Queue, database: Database, clock: Clock
) -> None:
    first, second = queue(), queue()
    recorder.set_waits({first: Wait("waits", 2, 100.0), second: Wait("waits", 1)})
    clock.now += 40
    page = QueuePageRepository(database).read(limit=10)
    assert [(row.run_id, row.position, row.starts_in_s) for row in page.waiting] == [
        (second, 1, None),
        (first, 2, pytest.approx(60.0)),
    ]
    assert (page.num_waiting, QueuePageRepository(database).read(limit=10, project_ids=[]).num_waiting) == (2, 0)


def test_ring_keeps_one_sample_a_period(recorder: Recorder, database: Database, clock: Clock) -> None:
    recorder.upsert_agent(AgentFacts(id="n", hostname="n", address=""))
    for moment in range(8):
        clock.now = 1_000_000.0 + 4 * moment
        gpus = {"GPU-0": (50.0, 2**40)}
        sample = MachineSample(agent_id="n", cpu_percent=float(moment), memory_used_bytes=2**40, gpus=gpus)
        recorder.record_samples([sample, MachineSample(agent_id="x", cpu_percent=0, memory_used_bytes=0, gpus={})])
    found = MachineHistoryRepository(database).read("n", clock.now - 600)
    assert [one.cpu_percent for one in found] == [0.0, 3.0, 5.0]
    assert found[0].gpus == {"GPU-0": [50.0, 2**40]}


def test_machines_that_left_long_ago_are_forgotten_but_for_what_was_decided_of_their_gpus(
    recorder: Recorder, database: Database, clock: Clock
) -> None:
    for name in ("gone", "broken", "there"):
        recorder.upsert_agent(AgentFacts(id=name, hostname=name, address=""))
        recorder.upsert_gpus(name, [GpuFacts(index=0, uuid=f"GPU-{name}", model="H100")])
        gpus = {f"GPU-{name}": (50.0, 2**30)}
        recorder.record_samples([MachineSample(agent_id=name, cpu_percent=0, memory_used_bytes=0, gpus=gpus)])
    recorder.quarantine_gpu("GPU-broken", "fallen off the bus")
    recorder.mark_agents_gone(["there"])
    clock.now += 99
    recorder.forget_agents(100.0)
    assert len(AgentRepository(database).list_agents(with_gone=True)) == 3
    clock.now += 2
    recorder.forget_agents(100.0)
    rows = AgentRepository(database).list_agents(with_gone=True)
    assert [(row.id, row.gpus[0].is_quarantined) for row in rows] == [("broken", True), ("there", False)]
    assert MachineHistoryRepository(database).read("gone", 0.0) == []


def test_scan_is_claimed_once_and_a_silent_one_is_replaced(
    recorder: Recorder, database: Database, clock: Clock
) -> None:
    project = recorder.set_project("fruit")
    ids = [recorder.add_dataset(project, f"/data/{name}", name) for name in ("a", "b", "c")]
    with pytest.raises(Conflict):
        recorder.add_dataset(project, "/data/a", "again")
    token = recorder.begin_scan(ids[0])
    assert token is not None
    assert recorder.begin_scan(ids[0]) is None
    assert recorder.begin_scan(ids[1]) is not None
    assert MAX_SCANS == 2
    with pytest.raises(Conflict):
        recorder.begin_scan(ids[2])
    clock.now += SCAN_SILENCE_S + 1
    newer = recorder.begin_scan(ids[0])
    assert newer is not None
    assert not recorder.beat_scan(ids[0], token, num_seen=1, num_total=2, message="")
    report = {"classes": {}, "splits": [], "problems": []}
    recorder.end_scan(ids[0], newer, message="done", report=report, fingerprint="f1", summary={})
    row = DatasetRepository(database).get(ids[0])
    assert row.scan is not None
    assert (row.scan.state, [one.fingerprint for one in row.versions]) == ("done", ["f1"])
    assert row.names == {project: "a"}
    recorder.remove_dataset(ids[0], None)
    assert [one.id for one in DatasetRepository(database).list_of_project(project)] == ids[1:]


def test_promotion_archives_the_version_before(recorder: Recorder, queue: Queue, database: Database) -> None:
    run_id = queue()
    submission = recorder.begin_submission(run_id)
    assert submission is not None
    best = {"step": 1, "epoch": 1, "size_bytes": 1, "is_best": True, "metric": "val_loss", "value": 0.5}
    recorder.record_checkpoint(run_id, 1, name="epoch_001-step_000001", **best)  # type: ignore[arg-type]
    model_id = recorder.add_model(recorder.set_project("default"), "m", description="", by="ann")
    for version in (1, 2):
        made = recorder.add_model_version(model_id, run_id, "epoch_001-step_000001", note="", by="ann")
        assert made == version
        recorder.change_model_version(
            model_id, version, stage=Stage.PRODUCTION, note=None, by="bob", check=lambda _row: None
        )
    model = ModelRepository(database).get(model_id)
    assert [(one.version, one.stage) for one in model.versions] == [(2, Stage.PRODUCTION), (1, Stage.ARCHIVED)]
    assert [(one.stage, one.by) for one in model.versions[1].history] == [
        (Stage.NONE, "ann"),
        (Stage.PRODUCTION, "bob"),
        (Stage.ARCHIVED, "bob"),
    ]
    assert model.versions[0].metrics == {"val_loss": 0.5}


def test_keys_of_creations_are_forgotten_after_a_week(recorder: Recorder, database: Database, clock: Clock) -> None:
    def create(name: str) -> None:
        creation = CreationKey(user_id="u", key=name, operation="POST /projects", digest="d")
        recorder.add_project(name, creation=creation)

    def kept() -> list[str]:
        with database.read() as connection:
            return sorted(connection.scalars(select(IdempotencyKey.key)))

    create("old")
    clock.now += KEY_LIFE_S
    create("newer")
    assert kept() == ["newer", "old"]
    clock.now += 1
    create("newest")
    assert kept() == ["newer", "newest"]
