"""`utp models`, `utp parts`, `utp runs`: everything that is registered or was trained, without torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from utp.config.paths import RunPaths
from utp.core.catalog import REGISTRIES
from utp.core.models.entries import MODEL_PRESETS
from utp.core.run_list import summarise_run
from utp.entrypoints.cli import app


def answer(*arguments: str) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_every_builtin_model_is_listed_with_its_size() -> None:
    rows = answer("models")
    assert [row["model_flavour"] for row in rows] == [f"builtin/{name}" for name in MODEL_PRESETS.names()]
    assert all(row["num_parameters"] > 1000 and row["image_size"] >= 32 and row["doc"] for row in rows)
    assert "builtin/vit-tiny" in CliRunner().invoke(app, ["models"]).stdout


def test_every_part_of_every_kind_is_listed_with_its_options() -> None:
    listed = answer("parts")
    assert {kind: tuple(part["name"] for part in rows) for kind, rows in listed.items()} == {
        kind: registry.names() for kind, registry in REGISTRIES.items()
    }
    (loss,) = [part for part in listed["loss"] if part["name"] == "cross_entropy"]
    assert loss["options"]["label_smoothing"]["default"] == 0.0
    assert loss["options"]["label_smoothing"]["description"].startswith("Share of the target")


def test_one_kind_can_be_asked_for_and_an_unknown_one_is_refused_with_the_known() -> None:
    assert list(answer("parts", "optimizer")) == ["optimizer"]
    assert "label_smoothing" in CliRunner().invoke(app, ["parts", "loss"]).stdout
    result = CliRunner().invoke(app, ["parts", "lose"])
    assert result.exit_code == 2
    assert all(kind in result.stderr for kind in REGISTRIES)


def test_run_is_listed_with_outcome_epoch_best_and_time(finished_run: RunPaths) -> None:
    (row,) = [row for row in answer("runs") if row["directory"] == str(finished_run.run_dir)]
    best = json.loads(finished_run.result.read_text())["best"]
    assert (row["outcome"], row["epoch"], row["epochs"], row["attempts"]) == ("succeeded", 2, 2, 1)
    assert (row["best_metric"], row["best_value"], row["best_epoch"]) == ("val_acc@1", best["value"], best["epoch"])
    assert row["duration_s"] > 0
    result = CliRunner().invoke(app, ["runs", str(finished_run.run_dir.parents[1])], env={"COLUMNS": "200"})
    assert finished_run.name in result.stdout
    assert f"{best['value']:.4f}" in result.stdout


@pytest.mark.parametrize(("pid", "outcome"), [(os.getpid(), "running"), (2**22 + 1, "interrupted")])
def test_run_without_a_result_is_running_as_long_as_its_process_is(
    trained: RunPaths, tmp_path: Path, pid: int, outcome: str
) -> None:
    shutil.copytree(trained.run_dir, tmp_path / "run")
    copy = RunPaths(tmp_path / "run", tmp_path / "run").attempt(1)
    copy.result.unlink()
    start = json.loads((copy.directory / "start.json").read_text())
    (copy.directory / "start.json").write_text(json.dumps({**start, "pid": pid}))
    assert summarise_run(tmp_path / "run").outcome == outcome


def test_run_with_a_torn_config_is_listed_as_unreadable(trained: RunPaths, tmp_path: Path) -> None:
    shutil.copytree(trained.run_dir, tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text('{"root": ')
    assert summarise_run(tmp_path / "run").outcome == "unreadable"


def test_folder_that_is_not_there_is_refused() -> None:
    result = CliRunner().invoke(app, ["runs", "no/such/folder"])
    assert result.exit_code == 2
    assert "no/such/folder" in result.stderr.replace("\n", "")


@pytest.mark.process
@pytest.mark.parametrize("command", [["models"], ["parts"], ["runs", "."]])
def test_lists_need_no_torch(command: list[str], tmp_path: Path) -> None:
    code = (
        "import sys; from utp.entrypoints.cli import app\n"
        f"try: app({command!r})\n"
        "except SystemExit: print('imported:', *({'torch', 'numpy', 'transformers', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "imported:"
