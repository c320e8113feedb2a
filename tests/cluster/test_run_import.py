"""A run that was made without the store looks like any other once it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from utp.cluster.run_archive import export_run
from utp.cluster.run_import import NO_WORD, import_run
from utp.cluster.run_unpacking import unpack_run
from utp.config.loading import dump_config
from utp.config.naming import reserve_run
from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import CheckpointStore
from utp.core.durable import write_json_durably
from utp.core.journal import START, AttemptJournal, attempt_numbers, read_json
from utp.errors import ConfigError
from utp.settings import Settings
from utp.store.database import Database
from utp.store.recorder import Recorder
from utp.store.repositories.run_rows import read_rows
from utp.store.states import RunState
from utp.store.tables import Checkpoint, Job, MetricSeries, Run, RunEvent

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)
SUCCEEDED = {"outcome": "succeeded", "step": 6, "epoch": 2, "metrics": {"val_acc@1": 0.5}}


@pytest.fixture
def run(settings: Settings) -> RunPaths:
    paths = reserve_run(CONFIG, settings)
    write_json_durably(paths.config, dump_config(CONFIG))
    return paths


def attempt(paths: RunPaths, start: int, steps: range, result: Mapping[str, Any] | None) -> None:
    with AttemptJournal(paths) as journal:
        journal.write_start(start)
        for step in steps:
            journal.append_row({"kind": "train", "step": step, "epoch": 1, "train_loss": step / journal.number})
        if result:
            journal.write_result(result)
    if result is None:  # as if its process had been killed: no machine has this number
        file = paths.attempt(journal.number).directory / START
        write_json_durably(file, {**read_json(file), "pid": 2**22 + 1})


def count(database: Database, table: Any) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def read_run(database: Database) -> Any:
    with database.read() as connection:
        return connection.execute(select(Run.__table__)).one()


def test_run_of_two_attempts_is_recorded_whole(
    run: RunPaths, recorder: Recorder, settings: Settings, database: Database
) -> None:
    attempt(run, 0, range(1, 6), {"outcome": "stopped", "kind": "stopped", "step": 5, "epoch": 1})
    attempt(run, 4, range(5, 7), SUCCEEDED)
    best = {"metric": "val_acc@1", "value": 0.5, "checkpoint": "epoch_002-step_000006"}
    state = {"state": {"progress": {"best": best}}}
    store = CheckpointStore(run.checkpoint_dir, 2)
    store.commit({}, state, name="epoch_002-step_000006", step=6, epoch=2)
    run_id = import_run(run, recorder, settings, owner="ann")
    row = read_run(database)
    assert (row.id, row.name, row.state, row.attempt, row.owner) == (run_id, run.name, RunState.SUCCEEDED, 2, "ann")
    assert (row.metrics, row.best_value, row.step, row.epochs) == ({"val_acc@1": 0.5}, 0.5, 6, CONFIG.epochs)
    with database.read() as connection:
        outcomes = connection.execute(select(Job.attempt, Job.outcome, Job.start_step).order_by(Job.attempt)).all()
        total = MetricSeries.num_hot + MetricSeries.num_folded
        points = connection.scalar(select(total).where(MetricSeries.name == "train_loss"))
    assert [tuple(job) for job in outcomes] == [(1, "stopped", 0), (2, "succeeded", 4)]
    assert points == 6
    assert count(database, Checkpoint) == 1


def test_importing_again_changes_nothing(
    run: RunPaths, recorder: Recorder, settings: Settings, database: Database
) -> None:
    attempt(run, 0, range(1, 7), SUCCEEDED)
    first = import_run(run, recorder, settings)
    before = read_run(database), count(database, RunEvent), count(database, Job)
    assert import_run(run, recorder, settings) == first
    assert (read_run(database), count(database, RunEvent), count(database, Job)) == before


def test_attempts_made_since_are_added(
    run: RunPaths, recorder: Recorder, settings: Settings, database: Database
) -> None:
    attempt(run, 0, range(1, 4), {"outcome": "stopped", "kind": "stopped", "step": 3, "epoch": 1})
    import_run(run, recorder, settings)
    assert read_run(database).state is RunState.STOPPED
    attempt(run, 3, range(4, 7), SUCCEEDED)
    import_run(run, recorder, settings)
    assert (read_run(database).state, read_run(database).attempt) == (RunState.SUCCEEDED, 2)
    assert count(database, Job) == len(attempt_numbers(run))


def test_run_that_was_killed_has_failed_and_is_not_queued(
    run: RunPaths, recorder: Recorder, settings: Settings, database: Database
) -> None:
    attempt(run, 0, range(1, 4), None)
    run_id = import_run(run, recorder, settings)
    row = read_run(database)
    assert (row.state, row.failure_kind, row.message) == (RunState.FAILED, "lost", NO_WORD)
    assert recorder.begin_submission(run_id) is None
    assert recorder.resume(run_id) is RunState.QUEUED
    submission = recorder.begin_submission(run_id)
    assert submission is not None
    assert submission.attempt == 2


def test_run_that_is_alive_is_refused(run: RunPaths, recorder: Recorder, settings: Settings) -> None:
    with AttemptJournal(run) as journal:
        journal.write_start(0)
        with pytest.raises(ConfigError, match="alive"):
            import_run(run, recorder, settings)


def test_archive_carries_what_the_store_knows_and_becomes_a_run_elsewhere(
    run: RunPaths, recorder: Recorder, settings: Settings, database: Database, tmp_path: Path
) -> None:
    attempt(run, 0, range(1, 7), SUCCEEDED)
    run_id = import_run(run, recorder, settings, owner="ann")
    export_run(run, tmp_path / "run.zip", checkpoints=(), store_rows=read_rows(database, run_id))
    unpacked = unpack_run(tmp_path / "run.zip", settings)
    assert unpacked.store_rows["runs"][0]["owner"] == "ann"
    assert [job["outcome"] for job in unpacked.store_rows["jobs"]] == ["succeeded"]
    assert unpacked.store_rows["configs"]
    assert unpacked.store_rows["datasets"]
    again = import_run(unpacked.paths, recorder, settings)
    assert again != run_id
    with database.read() as connection:
        states = connection.execute(select(Run.name, Run.state).order_by(Run.name)).all()
    assert [tuple(row) for row in states] == [(run.name, "succeeded"), (f"{run.name}-v1", "succeeded")]


def test_unknown_run_has_no_rows(database: Database) -> None:
    assert not any(read_rows(database, "0" * 32).values())
