"""Names, directories and order of runs that are queued."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from tests.store.conftest import CONFIG, REQUEST

from utp.config.request import RunRequest
from utp.errors import PathRefused
from utp.settings import Settings
from utp.store.database import Database
from utp.store.errors import KeyReused, RunNotFound
from utp.store.ids import new_id
from utp.store.recorder import Recorder
from utp.store.recorder.waiting import Wait
from utp.store.repositories.events import EventRepository
from utp.store.repositories.run_queue import QueueRepository
from utp.store.repositories.runs import RunRepository
from utp.store.states import RunState, Wish

Queue = Callable[[], str]
NAME = "vit-tiny__cross_entropy__scratch"


def test_ids_are_unique_hex_and_sort_by_time() -> None:
    ids = []
    for _ in range(100):
        ids.append(new_id())
        time.sleep(0.0001)  # above the resolution
    assert ids == sorted(set(ids))
    assert {(len(one), one[12], one[16] in "89ab") for one in ids} == {(32, "7", True)}


def test_queued_run_has_its_directories_and_the_next_one_a_version(recorder: Recorder, settings: Settings) -> None:
    runs = [recorder.queue_run(CONFIG, REQUEST, settings=settings) for _ in range(2)]
    assert [run.name for run in runs] == [NAME, f"{NAME}-v1"]
    assert all(Path(run.run_dir).is_dir() and Path(run.checkpoint_dir).is_dir() for run in runs)


def test_32_racing_submitters_of_one_name_get_32_names_directories_and_rows(
    recorder: Recorder, settings: Settings, database: Database
) -> None:
    barrier = Barrier(32)

    def submit(_: int) -> str:
        barrier.wait()
        return recorder.queue_run(CONFIG, REQUEST, settings=settings).name

    with ThreadPoolExecutor(32) as pool:
        names = set(pool.map(submit, range(32)))
    assert names == {NAME, *(f"{NAME}-v{version}" for version in range(1, 32))}
    assert {row.name for row in QueueRepository(database).queued()} == names
    for root in ("runs", "checkpoints"):
        folder = tuple((settings.shared_logs_dir or Path()).glob(f"{root}/fruit/*"))
        assert {path.name for path in folder} == names


def test_name_stays_taken_when_its_directories_are_removed_by_hand(recorder: Recorder, settings: Settings) -> None:
    first = recorder.queue_run(CONFIG, REQUEST, settings=settings)
    shutil.rmtree(first.run_dir)
    shutil.rmtree(first.checkpoint_dir)
    assert recorder.queue_run(CONFIG, REQUEST, settings=settings).name == f"{NAME}-v1"
    assert not Path(first.run_dir).exists()


def test_run_that_is_refused_leaves_no_directory(
    recorder: Recorder, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PathRefused):
        recorder.queue_run(replace(CONFIG, tb_root="../out"), REQUEST, settings=settings)

    def fail(*_: object) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr("utp.store.recorder.queueing._read_queued", fail)
    with pytest.raises(RuntimeError):
        recorder.queue_run(CONFIG, REQUEST, settings=settings)
    assert list((settings.shared_logs_dir or Path()).glob("*/*/*")) == []
    assert QueueRepository(database).queued() == []


def test_same_idempotency_key_gives_the_same_run(recorder: Recorder, settings: Settings, database: Database) -> None:
    runs = [recorder.queue_run(CONFIG, REQUEST, idempotency_key="k", settings=settings) for _ in range(2)]
    assert runs[0] == runs[1]
    with pytest.raises(KeyReused, match=r"'k' was used for run .* with another config"):
        recorder.queue_run(replace(CONFIG, epochs=7), REQUEST, idempotency_key="k", settings=settings)
    assert len(QueueRepository(database).queued()) == 1


def test_queue_is_ordered_by_priority_then_age(recorder: Recorder, settings: Settings, database: Database) -> None:
    priorities = [0, 5, 0, -1, 5]
    runs = [recorder.queue_run(CONFIG, RunRequest(priority=priority), settings=settings).id for priority in priorities]
    queued = QueueRepository(database).queued
    assert [row.run_id for row in queued()] == [runs[index] for index in (1, 4, 0, 2, 3)]
    recorder.set_priority(runs[3], 100)
    assert queued(limit=1)[0].run_id == runs[3]
    assert queued(limit=1)[0].request["num_workers"] == 1


def test_run_that_is_queued_again_waits_behind_the_others(recorder: Recorder, queue: Queue, database: Database) -> None:
    first, second = queue(), queue()
    recorder.set_wish(first, Wish.PAUSE, by="")
    recorder.resume(first)
    assert [row.run_id for row in QueueRepository(database).queued()] == [second, first]


def test_wait_reasons_are_kept_until_the_run_starts(recorder: Recorder, queue: Queue, database: Database) -> None:
    runs = [queue(), queue()]
    waits = {runs[0]: Wait("waits for 4 GPUs"), runs[1]: Wait("position 2", 2, 60.0), "0" * 32: Wait("gone")}
    recorder.set_waits(waits)
    assert [row.wait_reason for row in QueueRepository(database).queued()] == ["waits for 4 GPUs", "position 2"]
    recorder.begin_submission(runs[0])
    recorder.set_waits({runs[0]: Wait("too late")})
    assert RunRepository(database).get(runs[0]).wait_reason == ""


def test_10_parallel_stops_change_the_state_once_and_answer_alike(
    recorder: Recorder, queue: Queue, database: Database
) -> None:
    run_id = queue()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: recorder.set_wish(run_id, Wish.STOP, by="ann"), range(10)))
    assert set(answers) == {RunState.STOPPED}
    events = EventRepository(database).after(0, run_id=run_id)
    assert [(event.old_state, event.new_state) for event in events] == [
        (None, RunState.QUEUED),
        (RunState.QUEUED, RunState.STOPPED),
    ]


def test_runs_are_listed_newest_first_by_page_and_filter(
    recorder: Recorder, settings: Settings, database: Database
) -> None:
    for owner, project in [("ann", "a"), ("bob", "a"), ("ann", "b")]:
        recorder.queue_run(CONFIG, REQUEST, owner=owner, project=project, group="g", tags=["x"], settings=settings)
    runs = RunRepository(database)
    newest = runs.list_runs(limit=2)
    assert [(row.owner, row.project, row.group, row.tags) for row in newest] == [
        ("ann", "b", "g", ["x"]),
        ("bob", "a", "g", ["x"]),
    ]
    assert [row.owner for row in runs.list_runs(before_id=newest[-1].id)] == ["ann"]
    assert [row.project for row in runs.list_runs(owner="ann")] == ["b", "a"]
    assert len(runs.list_runs(project="a", states=[RunState.QUEUED])) == 2
    assert runs.list_runs(states=[RunState.FAILED]) == []


def test_run_is_found_by_id_name_directory_or_the_beginning_of_its_id(
    recorder: Recorder, settings: Settings, database: Database
) -> None:
    run = recorder.queue_run(CONFIG, REQUEST, settings=settings)
    find = RunRepository(database).find
    assert {find(text) for text in (run.id, run.name, run.run_dir, f"{run.run_dir}/", run.id[:20])} == {run.id}
    for text in ("", "%", "____", "nothing"):
        with pytest.raises(RunNotFound):
            find(text)
