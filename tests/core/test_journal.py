"""Attempts, their rows, and the run-level files made from them."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest

from utp.config.paths import RunPaths
from utp.core.journal import AttemptJournal, assemble_run, attempt_numbers, read_rows
from utp.errors import AttemptSuperseded, ResumeRefused


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    run = RunPaths(tmp_path / "runs" / "name", tmp_path / "checkpoints" / "name")
    run.run_dir.mkdir(parents=True)
    return run


def write_attempt(paths: RunPaths, resumed_step: int, steps: range, result: dict[str, Any] | None = None) -> None:
    with AttemptJournal(paths) as journal:
        journal.write_start(resumed_step)
        for step in steps:
            journal.append_row({"kind": "train", "step": step, "epoch": 1, "train_loss": step / journal.number})
        if result:
            journal.write_result(result)


def test_attempts_count_from_one(paths: RunPaths) -> None:
    write_attempt(paths, 0, range(1))
    write_attempt(paths, 0, range(1))
    assert attempt_numbers(paths) == [1, 2]


def test_assembled_metrics_are_one_unbroken_curve(paths: RunPaths) -> None:
    write_attempt(paths, 0, range(1, 8))  # killed after step 7, with a checkpoint of step 4
    write_attempt(paths, 4, range(5, 11), {"outcome": "succeeded"})
    assemble_run(paths)
    rows = list(read_rows(paths.metrics))
    assert [row["step"] for row in rows] == list(range(1, 11))
    assert [row["attempt"] for row in rows] == [1] * 4 + [2] * 6
    assert json.loads(paths.result.read_text())["outcome"] == "succeeded"


def test_assembling_again_changes_nothing(paths: RunPaths) -> None:
    write_attempt(paths, 0, range(1, 4), {"outcome": "stopped"})
    assemble_run(paths)
    before = paths.metrics.read_bytes(), paths.result.read_bytes()
    assemble_run(paths)
    assert (paths.metrics.read_bytes(), paths.result.read_bytes()) == before


def test_torn_last_line_is_left_out(paths: RunPaths) -> None:
    write_attempt(paths, 0, range(1, 4))
    with paths.attempt(1).metrics.open("ab") as file:
        file.write(b'{"kind": "train", "step": 4, "tra')
    assemble_run(paths)
    assert [row["step"] for row in read_rows(paths.metrics)] == [1, 2, 3]


def test_predictions_of_the_newest_attempt_that_has_them_are_the_runs_and_torn_ones_are_left_out(
    paths: RunPaths,
) -> None:
    write_attempt(paths, 0, range(1, 4))
    write_attempt(paths, 3, range(4, 6))
    for number, names in ((1, ["val_best", "val_last"]), (2, ["val_last"])):
        paths.attempt(number).predictions.mkdir()
        for name in names:
            (paths.attempt(number).predictions / f"{name}.parquet").write_text(f"{name} of {number}")
    (paths.attempt(2).predictions / ".val_best.parquet.tmp-1").write_text("torn")
    assemble_run(paths)
    contents = {path.name: path.read_text() for path in paths.predictions.iterdir()}
    assert contents == {"val_best.parquet": "val_best of 1", "val_last.parquet": "val_last of 2"}


def test_attempt_that_died_before_its_first_step_voids_nothing(paths: RunPaths) -> None:
    write_attempt(paths, 0, range(1, 4))
    with AttemptJournal(paths):
        pass
    assemble_run(paths)
    assert [row["step"] for row in read_rows(paths.metrics)] == [1, 2, 3]


def test_result_of_an_older_attempt_does_not_outlive_a_newer_one(paths: RunPaths) -> None:
    write_attempt(paths, 0, range(1, 4), {"outcome": "stopped"})
    assemble_run(paths)
    write_attempt(paths, 3, range(4, 5))  # killed: no result
    assemble_run(paths)
    assert not paths.result.exists()


def test_live_attempt_refuses_a_second_one_by_its_process(paths: RunPaths) -> None:
    with AttemptJournal(paths) as journal:
        journal.write_start(0)
        with pytest.raises(ResumeRefused, match="attempt 1 is still running"):
            AttemptJournal(paths)
    assert attempt_numbers(paths) == [1]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_file_system_without_locks_leaves_two_attempts_to_the_fence(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with AttemptJournal(paths) as first, AttemptJournal(paths) as second:
        second.check_fence()
        with pytest.raises(AttemptSuperseded):
            first.check_fence()


def test_older_attempt_is_fenced_as_soon_as_a_newer_one_is_there(paths: RunPaths) -> None:
    with AttemptJournal(paths) as journal:
        journal.check_fence()
        paths.attempt(2).directory.mkdir()  # as another machine would, where no lock is seen
        with pytest.raises(AttemptSuperseded, match="attempt 2 has taken the run over"):
            journal.check_fence()


def test_row_that_is_not_finite_is_refused_rather_than_written_as_bad_json(paths: RunPaths) -> None:
    with AttemptJournal(paths) as journal, pytest.raises(ValueError, match="JSON compliant"):
        journal.append_row({"kind": "train", "step": 1, "train_loss": float("nan")})
    assert paths.attempt(1).metrics.read_bytes() == b""


def test_new_config_is_the_runs_from_the_start_of_the_attempt_and_not_if_that_is_refused(paths: RunPaths) -> None:
    paths.config.write_text("{}")
    with AttemptJournal(paths) as alive, pytest.raises(ResumeRefused):
        AttemptJournal(paths, new_config={"epochs": 3})
    assert paths.config.read_text() == "{}"
    assert alive.number == 1
    with AttemptJournal(paths, new_config={"epochs": 3}) as journal:
        assert paths.config.read_text() == "{}"
        journal.write_start(0)
        assert json.loads(paths.config.read_text()) == {"epochs": 3}


def test_number_that_is_handed_out_is_the_attempts(paths: RunPaths) -> None:
    with AttemptJournal(paths, 3) as journal:
        assert (journal.number, attempt_numbers(paths)) == (3, [3])
        journal.check_fence()


def test_number_is_started_once(paths: RunPaths) -> None:
    with AttemptJournal(paths, 1), pytest.raises(ResumeRefused, match="attempt 1 was started already"):
        AttemptJournal(paths, 1)


def test_number_below_a_later_attempts_is_superseded(paths: RunPaths) -> None:
    write_attempt(paths, 0, range(1))
    write_attempt(paths, 0, range(1))
    with pytest.raises(AttemptSuperseded):
        AttemptJournal(paths, 1)


def test_later_number_fences_a_live_attempt(paths: RunPaths) -> None:
    with AttemptJournal(paths, 1) as first, AttemptJournal(paths, 2), pytest.raises(AttemptSuperseded):
        first.check_fence()
