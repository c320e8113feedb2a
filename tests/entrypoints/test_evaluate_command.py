"""`utp evaluate` gives the run's own numbers again, and leaves the run as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.journal import read_rows
from utp.core.prediction_table import read_facts
from utp.entrypoints.cli import app
from utp.entrypoints.evaluate_command import Views


def evaluate(run: RunPaths, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", str(run.run_dir), *arguments])


def numbers(run: RunPaths, *arguments: str) -> dict[str, Any]:
    result = evaluate(run, "--json", *arguments)
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def row(run: RunPaths, kind: str, prefix: str, epoch: int | None = None) -> dict[str, Any]:
    found = [r for r in read_rows(run.metrics) if r["kind"] == kind and epoch in (None, r["epoch"])]
    return {name: value for name, value in found[-1].items() if name.startswith(f"{prefix}_") and "time" not in name}


def snapshot(run: RunPaths) -> dict[Path, tuple[int, int]]:
    files = [path for root in (run.run_dir, run.checkpoint_dir) for path in root.rglob("*")]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_test_numbers_are_those_of_the_run_and_the_run_stays_as_it_was(finished_run: RunPaths) -> None:
    before = snapshot(finished_run)
    result = numbers(finished_run)
    assert result["metrics"] == row(finished_run, "test", "test")
    assert result["test_time_augmentation"] == "hflip"
    assert result["has_same_data"] is True
    assert snapshot(finished_run) == before


def test_val_numbers_of_the_last_checkpoint_are_those_of_the_last_epoch(finished_run: RunPaths) -> None:
    result = numbers(finished_run, "--split", "val", "--checkpoint", "last")
    assert result["epoch"] == 2
    assert result["metrics"] == row(finished_run, "epoch", "val", epoch=2)
    assert numbers(finished_run, "--split", "val", "--checkpoint", result["checkpoint"]) == result


def test_test_time_augmentation_is_told_by_row_and_predictions_and_changes_the_numbers(finished_run: RunPaths) -> None:
    (test,) = [r for r in read_rows(finished_run.metrics) if r["kind"] == "test"]
    assert test["test_time_augmentation"] == "hflip"
    assert all("test_time_augmentation" not in r for r in read_rows(finished_run.metrics) if r["kind"] != "test")
    assert read_facts(finished_run.predictions / "test.parquet")["test_time_augmentation"] == "hflip"
    losses = [numbers(finished_run, "--tta", views)["metrics"]["test_loss"] for views in ("none", "hflip", "five_crop")]
    assert len(set(losses)) == 3
    assert losses[1] == test["test_loss"]
    assert numbers(finished_run, "--split", "val", "--tta", "hflip")["test_time_augmentation"] == "hflip"


@pytest.mark.parametrize(("name", "split", "kind"), [("val_last", "val", "epoch"), ("test", "test", "test")])
def test_predictions_agree_with_the_metrics(finished_run: RunPaths, name: str, split: str, kind: str) -> None:
    rows = parquet.read_table(finished_run.predictions / f"{name}.parquet").to_pylist()
    accuracy = sum(r["label"] == r["predicted"] for r in rows) / len(rows)
    loss = sum(r["loss"] for r in rows) / len(rows)
    metrics = row(finished_run, kind, split)
    assert accuracy == pytest.approx(metrics[f"{split}_acc@1"])
    assert loss == pytest.approx(metrics[f"{split}_loss"], rel=1e-5)
    assert {r["path"].split("/")[0] for r in rows} == {split}
    facts = read_facts(finished_run.predictions / f"{name}.parquet")
    assert facts["classes"] == [str(digit) for digit in range(10)]
    assert all(r["path"].split("/")[1] == facts["classes"][r["label"]] for r in rows)


def test_table_shows_every_metric(finished_run: RunPaths) -> None:
    result = evaluate(finished_run)
    assert result.exit_code == 0
    assert all(name in result.stdout for name in row(finished_run, "test", "test"))


@pytest.mark.parametrize("wanted", ["epoch_009-step_000001", "../../etc", ""])
def test_checkpoint_that_is_not_there_is_refused_with_those_that_are(finished_run: RunPaths, wanted: str) -> None:
    result = evaluate(finished_run, "--checkpoint", wanted)
    assert result.exit_code == 2
    assert "best, last, epoch_001" in result.stderr.replace("\n", "")


def test_damaged_checkpoint_is_told_and_not_set_aside(finished_run: RunPaths, mounts: Path) -> None:
    run_dir, checkpoint_dir = (
        path.with_name("damaged") for path in (finished_run.run_dir, finished_run.checkpoint_dir)
    )
    shutil.copytree(finished_run.run_dir, run_dir)
    shutil.copytree(finished_run.checkpoint_dir, checkpoint_dir)
    damaged = RunPaths(run_dir, checkpoint_dir)
    newest = sorted(damaged.checkpoint_dir.glob("epoch_*"))[-1]
    (newest / "model.safetensors").write_bytes(b"torn")
    before = snapshot(damaged)
    result = evaluate(damaged, "--checkpoint", "last")
    shutil.rmtree(run_dir)
    assert result.exit_code == 1
    assert "model.safetensors has 4 bytes" in result.stderr
    assert snapshot(RunPaths(checkpoint_dir, checkpoint_dir)) == {
        path: value for path, value in before.items() if path.is_relative_to(checkpoint_dir)
    }
    shutil.rmtree(checkpoint_dir)


def test_option_and_config_field_have_the_same_values() -> None:
    hints = get_type_hints(TrainConfig)
    assert tuple(views.value for views in Views) == get_args(hints["test_time_augmentation"])
