"""What workers tell the head ends up in the store, once, whatever is lost, repeated, late or restarted."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from utp.cluster.beats import MAX_AGE_S
from utp.cluster.head import PLACE_AGE_S, SWEEP_S, Head
from utp.cluster.log_shipper import LogShipper
from utp.config.loading import dump_config
from utp.config.paths import RunPaths
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.core.checkpoint import CheckpointStore
from utp.core.durable import write_json_durably
from utp.core.journal import AttemptJournal, read_rows
from utp.logs.places import copies_folder
from utp.settings import Settings
from utp.store.database import Database
from utp.store.errors import StoreBusy
from utp.store.recorder import Recorder
from utp.store.recorder.attempts import Beat
from utp.store.states import Outcome, RunState, Wish
from utp.store.tables import Job, MetricSeries, Run

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)
PLAN = {"host": "one", "pid": 7, "start_step": 0, "total_steps": 100, "epochs": 3}
SUCCEEDED = {"outcome": "succeeded", "step": 100, "epoch": 3, "metrics": {"val_acc@1": 0.9}, "best": None}


class Platform:
    """A head on a store, and a clock that the test moves."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.recorder = Recorder(database)
        self.now = 1000.0
        self.journals: list[AttemptJournal] = []
        self.restart()

    def restart(self) -> None:
        self.head = Head(self.database, self.settings, lambda: self.now)

    def submit(self, run_id: str | None = None) -> Worker:
        run_id = run_id or self.recorder.queue_run(CONFIG, RunRequest(), settings=self.settings).id
        submission = self.recorder.begin_submission(run_id)
        assert submission is not None
        self.recorder.mark_submitted(run_id, submission.attempt, placement={})
        return Worker(
            self, run_id, submission.attempt, RunPaths(Path(submission.run_dir), Path(submission.checkpoint_dir))
        )

    def lose(self, worker: Worker) -> None:
        """Give an attempt up; it lives on, on a machine that nobody reaches."""
        worker.journal._lock.close()
        self.recorder.end_attempt(worker.run_id, worker.attempt, outcome=Outcome.LOST, failure_kind=None)
        self.now += PLACE_AGE_S + 1

    def tick(self, seconds: float = SWEEP_S) -> None:
        self.now += seconds
        self.head.step()

    def run(self, run_id: str) -> Run:
        with self.database.read() as connection:
            return connection.execute(select(Run.__table__).where(Run.id == run_id)).one()  # type: ignore[return-value]

    def num_points(self, run_id: str, name: str) -> int:
        with self.database.read() as connection:
            total = MetricSeries.num_hot + MetricSeries.num_folded
            query = select(total).where(MetricSeries.run_id == run_id, MetricSeries.name == name)
            return connection.scalar(query) or 0


class Worker:
    """An attempt that writes its journal and may or may not tell the head."""

    def __init__(self, platform: Platform, run_id: str, attempt: int, paths: RunPaths) -> None:
        self.platform, self.run_id, self.attempt, self.paths = platform, run_id, attempt, paths
        self.journal = AttemptJournal(paths)
        platform.journals.append(self.journal)
        assert self.journal.number == attempt
        files = {"rank0.log": paths.attempt(attempt).log(0), "metrics.jsonl": paths.attempt(attempt).metrics}
        self.shipper = LogShipper(self.send, files)

    def send(self, stream: str, offset: int, data: bytes) -> int | None:
        return self.platform.head.take(self.run_id, self.attempt, stream, offset, data)

    def start(self, start_step: int = 0, *, is_told: bool = True) -> bool:
        self.journal.write_start(start_step)
        facts = {**PLAN, "start_step": start_step}
        return self.platform.head.started(self.run_id, self.attempt, facts) if is_told else True

    def train(self, first: int, last: int) -> None:
        for step in range(first, last + 1):
            self.journal.append_row({"kind": "train", "step": step, "epoch": 1, "train_loss": 1 / step})
            self.journal.append_log(f"step {step}")

    def beat(self, step: int = 1) -> str | None:
        return self.platform.head.beat(self.run_id, self.attempt, step, 1, "")

    def end(self, result: Mapping[str, Any] = SUCCEEDED, *, is_told: bool = True) -> None:
        written = self.journal.write_result(result)
        if is_told:
            self.platform.head.ended(self.run_id, self.attempt, written)


@pytest.fixture
def platform(database: Database, settings: Settings) -> Iterator[Platform]:
    platform = Platform(database, settings)
    yield platform
    for journal in platform.journals:
        journal.__exit__(None, None, None)


def test_life_of_a_run(platform: Platform) -> None:
    worker = platform.submit()
    assert worker.start()
    assert platform.run(worker.run_id).state is RunState.RUNNING
    assert worker.beat() == "none"
    worker.train(1, 50)
    worker.shipper.ship()
    platform.tick(1)
    assert platform.num_points(worker.run_id, "train_loss") == 50
    worker.end()
    run = platform.run(worker.run_id)
    assert (run.state, run.metrics) == (RunState.SUCCEEDED, {"val_acc@1": 0.9})
    assert json.loads(worker.paths.result.read_text())["outcome"] == "succeeded"
    assert len(list(read_rows(worker.paths.metrics))) == 50


def test_everything_twice_is_as_good_as_once(platform: Platform) -> None:
    worker = platform.submit()
    for _ in range(2):
        assert worker.start()
        assert worker.beat() == "none"
    worker.train(1, 5)
    for _ in range(2):
        worker.send("metrics.jsonl", 0, worker.paths.attempt(1).metrics.read_bytes())
        platform.tick(1)
    worker.end()
    worker.platform.head.ended(worker.run_id, 1, {"outcome": "failed", "kind": "internal", "message": "late"})
    assert platform.run(worker.run_id).state is RunState.SUCCEEDED
    assert platform.num_points(worker.run_id, "train_loss") == 5


def test_superseded_attempt_is_told_so_and_nothing_of_it_is_taken(platform: Platform) -> None:
    old = platform.submit()
    old.start()
    old.train(1, 5)
    old.shipper.ship()
    platform.lose(old)
    new = platform.submit(old.run_id)
    platform.now += MAX_AGE_S
    assert old.beat() is None
    assert not old.start(is_told=True)
    old.train(6, 9)
    old.shipper.ship()
    assert old.shipper.is_fenced
    old.end({"outcome": "failed", "kind": "internal", "message": "from the grave"})
    assert platform.run(old.run_id).state is RunState.STARTING
    assert new.start()
    assert new.beat() == "none"


def test_rows_beyond_the_step_that_was_resumed_from_are_replaced(platform: Platform) -> None:
    old = platform.submit()
    old.start()
    old.train(1, 8)
    platform.tick()
    platform.lose(old)
    new = platform.submit(old.run_id)
    new.start(4)
    new.train(5, 6)
    platform.tick()
    assert platform.num_points(new.run_id, "train_loss") == 6
    new.end()
    assert [(row["attempt"], row["step"]) for row in read_rows(new.paths.metrics)] == [
        *((1, step) for step in range(1, 5)),
        (2, 5),
        (2, 6),
    ]


def test_restarted_head_goes_on(platform: Platform) -> None:
    worker = platform.submit()
    worker.start()
    worker.train(1, 5)
    worker.shipper.ship()
    platform.restart()
    assert worker.beat() == "none"
    worker.train(6, 10)
    worker.shipper.ship()
    platform.tick()
    assert platform.num_points(worker.run_id, "train_loss") == 10
    log = platform.head.logs.file(worker.run_id, 1, "rank0.log")
    assert log.read_bytes() == worker.paths.attempt(1).log(0).read_bytes()
    worker.end()
    assert platform.run(worker.run_id).state is RunState.SUCCEEDED


def test_files_of_a_worker_that_the_head_does_not_see_are_kept_as_copies(platform: Platform) -> None:
    worker = platform.submit()
    worker.start()
    worker.train(1, 5)
    hidden = worker.paths.run_dir.rename(worker.paths.run_dir.with_name("elsewhere"))
    for stream in ("rank0.log", "metrics.jsonl"):
        worker.send(stream, 0, (hidden / "attempts" / "1" / stream).read_bytes())
    platform.tick()
    assert platform.num_points(worker.run_id, "train_loss") == 5
    platform.head.ended(worker.run_id, 1, SUCCEEDED)
    assert platform.run(worker.run_id).state is RunState.SUCCEEDED
    copy = platform.settings.home / "logs" / worker.run_id / "1" / "rank0.log"
    assert copy.read_bytes() == (hidden / "attempts" / "1" / "rank0.log").read_bytes()


def test_what_was_never_told_is_found_in_the_files(platform: Platform) -> None:
    worker = platform.submit()
    worker.start()
    worker.train(1, 5)
    platform.tick()
    assert platform.num_points(worker.run_id, "train_loss") == 5
    worker.train(6, 7)
    worker.end(is_told=False)
    assert platform.head.settle(worker.run_id, 1) is RunState.SUCCEEDED
    assert platform.num_points(worker.run_id, "train_loss") == 7
    assert platform.head.settle(worker.run_id, 1) is None


def test_attempt_without_a_last_word_is_not_settled(platform: Platform) -> None:
    worker = platform.submit()
    worker.start()
    assert platform.head.settle(worker.run_id, 1) is None
    assert platform.run(worker.run_id).state is RunState.RUNNING


def test_rows_that_come_before_the_start_wait_for_it(platform: Platform) -> None:
    worker = platform.submit()
    worker.train(1, 3)
    worker.shipper.ship()
    platform.tick()
    assert platform.num_points(worker.run_id, "train_loss") == 0
    worker.start()
    platform.tick()
    assert platform.num_points(worker.run_id, "train_loss") == 3


def test_failure_is_recorded_with_its_kind(platform: Platform) -> None:
    worker = platform.submit()
    worker.start()
    worker.end({"outcome": "failed", "kind": "nan", "message": "loss is not finite", "rank": 1})
    with platform.database.read() as connection:
        job = connection.execute(select(Job.failure_kind, Job.message, Job.rank)).one()
    assert tuple(job) == ("nan", "loss is not finite", 1)
    assert platform.run(worker.run_id).state is RunState.FAILED


def test_wish_reaches_the_worker_with_the_beat_after_the_next_tick(platform: Platform) -> None:
    worker = platform.submit()
    worker.start()
    assert worker.beat() == "none"
    platform.recorder.set_wish(worker.run_id, Wish.STOP, by="ann")
    worker.beat()
    platform.tick(1)
    assert worker.beat() == "stop"


def test_beats_of_many_runs_are_one_transaction(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = [platform.submit() for _ in range(10)]
    for worker in workers:
        worker.start()
        worker.beat(1)
    written: list[int] = []
    original = platform.head._recorder.beat_all

    def count(beats: list[Beat]) -> dict[str, Wish | None]:
        written.append(len(beats))
        return original(beats)

    monkeypatch.setattr(platform.head._recorder, "beat_all", count)
    for step in (2, 3):
        for worker in workers:
            worker.beat(step)
    platform.tick(1)
    assert written == [10]
    assert platform.run(workers[0].run_id).step == 3


def test_no_lease_is_promised_while_the_store_is_away(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = platform.submit()
    worker.start()
    assert worker.beat() == "none"

    def refuse(beats: list[Beat]) -> dict[str, Wish | None]:
        raise StoreBusy("utp.db", "another process writes")

    with monkeypatch.context() as away:
        away.setattr(platform.head._recorder, "beat_all", refuse)
        platform.now += MAX_AGE_S
        with pytest.raises(StoreBusy):
            worker.beat()
    assert worker.beat(9) == "none"
    assert platform.run(worker.run_id).step == 9


def test_job_that_nobody_queued_is_recorded_once(platform: Platform) -> None:
    config_json = json.dumps(dump_config(CONFIG))
    first = platform.head.register(config_json, "{}", "raysubmit_1")
    platform.restart()
    assert platform.head.register(config_json, "{}", "raysubmit_1") == first
    assert platform.head.started(first["run_id"], first["attempt"], PLAN)
    assert platform.run(first["run_id"]).state is RunState.RUNNING


def test_unknown_run_is_refused(platform: Platform) -> None:
    assert platform.head.take("0" * 32, 1, "rank0.log", 0, b"x") is None
    assert platform.head.beat("0" * 32, 1, 1, 1, "") is None


def test_one_run_whose_files_are_broken_does_not_hold_up_the_others(platform: Platform) -> None:
    broken, well = platform.submit(), platform.submit()
    for worker in (broken, well):
        worker.start()
        worker.train(1, 3)
    metrics = broken.paths.attempt(1).metrics
    metrics.unlink()
    metrics.mkdir()
    platform.tick()
    assert platform.num_points(well.run_id, "train_loss") == 3


def test_files_that_make_no_sense_hold_up_neither_the_others_nor_the_end(platform: Platform) -> None:
    broken, well = platform.submit(), platform.submit()
    for worker in (broken, well):
        worker.start()
        worker.train(1, 3)
    write_json_durably(broken.paths.environment, {"data": "photos"})
    platform.tick()
    assert platform.num_points(well.run_id, "train_loss") == 3
    broken.end()
    assert platform.run(broken.run_id).state is RunState.SUCCEEDED


def test_copies_of_logs_go_with_their_run(platform: Platform) -> None:
    deleted, kept = platform.submit(), platform.submit()
    for worker in (deleted, kept):
        platform.head.take(worker.run_id, 1, "rank1.log", 0, b"from afar\n")
        platform.recorder.end_attempt(worker.run_id, 1, outcome=Outcome.FAILED)
    folder = copies_folder(platform.settings.home)
    assert {path.name for path in folder.iterdir()} == {deleted.run_id, kept.run_id}
    platform.recorder.delete_run(deleted.run_id)
    platform.tick()
    assert [path.name for path in folder.iterdir()] == [kept.run_id]


def test_nothing_is_remembered_of_attempts_that_have_ended(platform: Platform) -> None:
    worker = platform.submit()
    worker.start()
    worker.train(1, 3)
    worker.end()
    worker.shipper.ship()  # its last lines come after the dispatcher has read its result
    platform.tick()
    assert platform.num_points(worker.run_id, "train_loss") == 3
    platform.tick()
    assert not platform.head.logs._streams
    assert not platform.head._ingest._done


def test_figures_and_the_dataset_are_recorded(platform: Platform) -> None:
    worker = platform.submit()
    worker.start()
    figures = worker.paths.attempt(1).figures
    figures.mkdir()
    (figures / "roc_val.png").write_bytes(b"png")
    write_json_durably(figures / "roc_val.json", {"step": 40})
    write_json_durably(worker.paths.environment, {"data": {"classes": ["a", "b"], "data_fingerprint": "f" * 64}})
    platform.tick()
    with platform.database.read() as connection:
        table = Run.metadata.tables
        figure = connection.execute(select(table["figures"])).one()
        version = connection.execute(select(table["dataset_versions"])).one()
    assert (figure.name, figure.path, figure.step) == ("roc_val", "attempts/1/figures/roc_val.png", 40)
    assert version.fingerprint == "f" * 64
    assert platform.run(worker.run_id).dataset_version_id == version.id


def commit(worker: Worker, epoch: int, best_epoch: int) -> None:
    store = CheckpointStore(worker.paths.checkpoint_dir, worker.attempt)
    best = {
        "metric": "val_acc@1",
        "value": best_epoch / 10,
        "checkpoint": f"epoch_{best_epoch:03d}-step_{best_epoch:06d}",
    }
    state = {"state": {"progress": {"best": best}}}
    name = store.name_for(epoch, epoch)
    store.commit({"weights": [b"12345"]}, state, name=name, step=epoch, epoch=epoch)


def test_checkpoints_are_recorded_with_the_best_and_forgotten_when_pruned(platform: Platform) -> None:
    worker = platform.submit()
    worker.start()
    table = Run.metadata.tables["checkpoints"]
    query = select(table.c.epoch, table.c.is_best, table.c.value).order_by(table.c.epoch)

    def recorded() -> list[tuple[Any, ...]]:
        platform.tick()
        with platform.database.read() as connection:
            return [tuple(row) for row in connection.execute(query)]

    commit(worker, 1, 1)
    commit(worker, 2, 2)
    assert recorded() == [(1, False, None), (2, True, 0.2)]
    commit(worker, 3, 2)
    CheckpointStore(worker.paths.checkpoint_dir, 1).prune(2, [])
    assert recorded() == [(2, True, 0.2), (3, False, None)]
    platform.restart()
    assert recorded() == [(2, True, 0.2), (3, False, None)]
    assert platform.run(worker.run_id).best_value == 0.2


@pytest.mark.parametrize("is_disk_full", [False, True])
def test_who_sees_that_a_run_has_ended_finds_its_files_and_a_full_disk_keeps_none_from_ending(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, is_disk_full: bool
) -> None:
    worker = platform.submit()
    worker.start()
    worker.train(1, 3)
    there_at_the_end = list[bool]()
    end_attempt = Recorder.end_attempt

    def look_and_end(*arguments: Any, **options: Any) -> Any:
        there_at_the_end.append(worker.paths.result.exists() and worker.paths.metrics.exists())
        return end_attempt(*arguments, **options)

    def refuse(_: RunPaths) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Recorder, "end_attempt", look_and_end)
    if is_disk_full:
        monkeypatch.setattr("utp.cluster.head.assemble_run", refuse)
    worker.end()
    assert there_at_the_end == [not is_disk_full]
    assert platform.run(worker.run_id).state is RunState.SUCCEEDED
