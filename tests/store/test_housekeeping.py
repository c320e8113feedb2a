"""Checkpoints, figures, machines, projects; archiving and deleting."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.store.conftest import CONFIG, REQUEST, Clock

from utp.settings import Settings
from utp.store.database import Database
from utp.store.errors import IllegalMove, RunNotFound
from utp.store.recorder import Recorder
from utp.store.recorder.inventory import AgentFacts, GpuFacts
from utp.store.repositories.agents import AgentRepository
from utp.store.repositories.events import EventRepository
from utp.store.repositories.projects import ProjectRepository
from utp.store.repositories.runs import RunRepository
from utp.store.states import Outcome, RunState, Wish
from utp.store.tables import DatasetVersion, Run

Queue = Callable[[], str]


def kinds(database: Database, run_id: str) -> list[str]:
    return [event.kind for event in EventRepository(database).after(0, run_id=run_id)]


def test_newest_best_checkpoint_is_the_best(recorder: Recorder, queue: Queue, database: Database) -> None:
    run_id = queue()
    for epoch, is_best in [(1, True), (2, True), (3, False), (3, False)]:
        place = {"name": f"epoch_{epoch:03d}", "step": epoch * 10, "epoch": epoch, "size_bytes": 5_000_000_000}
        value = {"metric": "val_acc@1", "value": epoch / 10}
        recorder.record_checkpoint(run_id, 1, is_best=is_best, **place, **value)
    run = RunRepository(database).get(run_id)
    assert [(one.epoch, one.is_best, one.size_bytes) for one in run.checkpoints] == [
        (1, False, 5_000_000_000),
        (2, True, 5_000_000_000),
        (3, False, 5_000_000_000),
    ]
    assert (run.best_metric, run.best_value, run.best_epoch) == ("val_acc@1", 0.2, 2)
    assert kinds(database, run_id).count("checkpoint") == 3
    recorder.forget_checkpoints(run_id, ["epoch_003"])
    assert [one.epoch for one in RunRepository(database).get(run_id).checkpoints] == [3]


def test_newer_figure_replaces_the_older(recorder: Recorder, queue: Queue, database: Database) -> None:
    run_id = queue()
    for step in (10, 20, 20):
        recorder.record_figure(run_id, 1, name="confusion_val", path="figures/confusion_val.png", step=step)
    assert [one.step for one in RunRepository(database).get(run_id).figures] == [20]
    assert kinds(database, run_id).count("figure") == 2


def test_runs_of_the_same_files_share_a_dataset_version(recorder: Recorder, queue: Queue, database: Database) -> None:
    runs = [queue(), queue()]
    for run_id in runs:
        recorder.record_dataset(run_id, fingerprint="abc", summary={"train": 3})
    with database.read() as connection:
        versions = connection.execute(select(Run.dataset_version_id, DatasetVersion.summary).join(DatasetVersion)).all()
    assert len(set(map(str, versions))) == 1
    assert versions[0].summary == {"train": 3}
    with pytest.raises(RunNotFound):
        recorder.record_dataset("0" * 32, fingerprint="abc", summary={})


def test_deletion_says_what_goes_and_then_it_is_gone(
    recorder: Recorder, settings: Settings, database: Database
) -> None:
    run = recorder.queue_run(CONFIG, REQUEST, settings=settings)
    kept = recorder.queue_run(CONFIG, REQUEST, settings=settings)
    recorder.begin_submission(run.id)
    recorder.mark_running(run.id, 1, host="a", pid=1, start_step=0, total_steps=2, epochs=1)
    recorder.record_rows(run.id, 1, [{"kind": "train", "step": 1, "epoch": 1, "loss": 1.0}])
    with pytest.raises(IllegalMove, match="is running and can't be deleted; stop it first"):
        recorder.delete_run(run.id)
    recorder.end_attempt(run.id, 1, outcome=Outcome.STOPPED)
    Path(run.run_dir, "log").write_bytes(b"x" * 10_000)
    Path(run.checkpoint_dir, "a.pt").write_bytes(b"x" * 10_000)
    Path(run.checkpoint_dir, "b.pt").hardlink_to(Path(run.checkpoint_dir, "a.pt"))
    plan = recorder.plan_deletion(run.id)
    assert (plan.num_files, plan.num_points, plan.directories) == (3, 2, (run.run_dir, run.checkpoint_dir))
    assert 20_000 <= plan.size_bytes < 30_000
    assert Path(run.run_dir).is_dir()
    assert recorder.delete_run(run.id) == plan
    assert not Path(run.run_dir).exists()
    assert not Path(run.checkpoint_dir).exists()
    with pytest.raises(RunNotFound):
        RunRepository(database).get(run.id)
    assert kinds(database, run.id) == ["deleted"]
    assert [row.id for row in RunRepository(database).list_runs()] == [kept.id]


def test_deletion_that_fails_half_way_can_be_repeated_and_the_run_not_started(
    recorder: Recorder, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorder.queue_run(CONFIG, REQUEST, settings=settings)
    recorder.set_wish(run.id, Wish.STOP, by="")

    def refuse(_: str) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", refuse)
        with pytest.raises(PermissionError):
            recorder.delete_run(run.id)
    with pytest.raises(RunNotFound):
        recorder.resume(run.id)
    recorder.delete_run(run.id)
    assert RunRepository(database).list_runs() == []


def test_files_that_vanish_meanwhile_keep_nobody_from_deleting(
    recorder: Recorder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorder.queue_run(CONFIG, REQUEST, settings=settings)
    for name in ("gone", "there"):
        Path(run.run_dir, name).write_bytes(b"x")
    measure, remove = Path.lstat, shutil.rmtree
    calls: list[Path] = []

    def lstat(path: Path) -> os.stat_result:
        if path.name == "gone":
            raise FileNotFoundError(path)
        return measure(path)

    def rmtree(path: Path) -> None:
        calls.append(path)
        if len(calls) == 1:
            Path(path, "gone").unlink()
            raise FileNotFoundError(path)
        remove(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    assert recorder.plan_deletion(run.id).num_files == 1
    monkeypatch.undo()
    monkeypatch.setattr("shutil.rmtree", rmtree)
    recorder.delete_run(run.id)
    assert not Path(run.run_dir).exists()
    assert not Path(run.checkpoint_dir).exists()


def test_archived_run_is_hidden_until_it_is_brought_back(recorder: Recorder, queue: Queue, database: Database) -> None:
    run_id = queue()
    listed = RunRepository(database).list_runs
    for _ in range(2):
        recorder.archive(run_id)
    assert (len(listed()), len(listed(with_archived=True))) == (0, 1)
    recorder.archive(run_id, is_archived=False)
    assert len(listed()) == 1
    assert kinds(database, run_id).count("changed") == 2


def test_machines_come_and_go_with_their_gpus(recorder: Recorder, database: Database, clock: Clock) -> None:
    gpu = GpuFacts(index=0, uuid="GPU-1", model="H100", memory_total_bytes=80 * 10**9, processes=[{"pid": 1}])
    for node in ("n1", "n2"):
        recorder.upsert_agent(AgentFacts(id=node, hostname=node, address="10.0.0.1", facts={"cpus_total": 8}))
        recorder.upsert_gpus(node, [gpu, GpuFacts(index=1, uuid="GPU-2", model="H100")])
    recorder.upsert_gpus("n1", [gpu])
    clock.now += 5
    recorder.set_draining("n1", True)
    recorder.upsert_agent(AgentFacts(id="n1", hostname="n1", address="10.0.0.1"))
    assert recorder.mark_agents_gone(["n1"]) == ["n2"]
    assert recorder.mark_agents_gone(["n1"]) == []
    [agent] = AgentRepository(database).list_agents()
    assert (agent.id, agent.is_draining, agent.seen_at - agent.joined_at) == ("n1", True, 5)
    assert [(one.index, one.processes, one.memory_total_bytes) for one in agent.gpus] == [(0, [{"pid": 1}], 80 * 10**9)]
    gone = AgentRepository(database).list_agents(with_gone=True)[1]
    assert (gone.is_alive, gone.left_at, len(gone.gpus)) == (False, clock.now, 2)


def test_projects_count_their_runs_by_state(recorder: Recorder, settings: Settings, database: Database) -> None:
    recorder.set_project("vision", description="all of it", max_gpus=4)
    run = recorder.queue_run(CONFIG, REQUEST, project="vision", settings=settings)
    recorder.queue_run(CONFIG, REQUEST, project="vision", settings=settings)
    recorder.set_wish(run.id, Wish.STOP, by="")
    recorder.set_project("empty")
    empty, vision = ProjectRepository(database).list_projects()
    assert (empty.name, empty.num_runs, empty.max_gpus) == ("empty", {}, None)
    assert (vision.description, vision.max_gpus) == ("all of it", 4)
    assert vision.num_runs == {RunState.QUEUED: 1, RunState.STOPPED: 1}


def test_events_are_followed_by_number(recorder: Recorder, queue: Queue, database: Database) -> None:
    events = EventRepository(database)
    assert events.newest() == 0
    first = queue()
    seen = events.newest()
    second = queue()
    assert [event.run_id for event in events.after(seen)] == [second]
    assert [event.run_id for event in events.after(0, limit=1)] == [first]
