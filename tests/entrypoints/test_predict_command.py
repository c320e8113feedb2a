"""`utp predict`: the same probabilities as transformers' own pipeline, and files that are no images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import pipeline
from typer.testing import CliRunner, Result

from utp.config.paths import RunPaths
from utp.entrypoints.cli import app


def predict(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


@pytest.fixture
def images(mounts: Path) -> list[Path]:
    return sorted((mounts / "datasets" / "digits" / "test").glob("*/*.png"))[::40]


def test_probabilities_are_those_of_transformers_pipeline(finished_run: RunPaths, images: list[Path]) -> None:
    result = predict(finished_run.run_dir, *images, "--topk", "10", "--batch-size", "4", "--json")
    assert result.exit_code == 0, result.output
    ours = json.loads(result.stdout)["predictions"]
    theirs: list[list[dict[str, Any]]] = pipeline("image-classification", str(finished_run.hf), device="cpu")(
        [str(path) for path in images], top_k=10
    )
    assert [one["path"] for one in ours] == [str(path) for path in images]
    for one, other in zip(ours, theirs, strict=True):
        probabilities = {row["label"]: row["score"] for row in other}
        assert {row["class"]: row["probability"] for row in one["top"]} == pytest.approx(probabilities, abs=1e-4)
        assert one["top"][0]["class"] == other[0]["label"]


def test_folder_is_searched_and_a_line_has_path_class_and_probability(
    finished_run: RunPaths, images: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    shutil.copy(images[0], tmp_path / "deep" / "one.png")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_text("no image")
    result = predict(finished_run.hf, tmp_path)
    assert result.exit_code == 0, result.output
    path, name, probability = result.stdout.split()
    assert path == str(tmp_path / "deep" / "one.png")
    assert name in {str(digit) for digit in range(10)}
    assert 0.1 <= float(probability) <= 1


def test_corrupt_files_are_told_and_left_out_with_exit_code_1(
    finished_run: RunPaths, images: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "torn.png").write_bytes(images[0].read_bytes()[:100])
    (tmp_path / "text.png").write_text("no image")
    shutil.copy(images[1], tmp_path / "whole.png")
    result = predict(finished_run.run_dir, tmp_path, "--json")
    assert result.exit_code == 1, result.output
    report = json.loads(result.stdout)
    assert [Path(one["path"]).name for one in report["predictions"]] == ["whole.png"]
    assert [Path(one["path"]).name for one in report["skipped"]] == ["text.png", "torn.png"]
    assert "torn.png is left out: " in result.stderr.replace("\n", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["nowhere.png"], "nowhere.png"), (["."], "there are no images"), ([".", "--topk", "0"], "topk")],
)
def test_wrong_arguments_end_with_2(
    finished_run: RunPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = predict(finished_run.run_dir, *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_run_that_has_exported_no_model_is_refused_with_the_way_out(
    finished_run: RunPaths, images: list[Path], tmp_path: Path
) -> None:
    unfinished = finished_run.run_dir.with_name("unfinished")
    shutil.copytree(finished_run.run_dir, unfinished)
    result = predict(unfinished, images[0])
    shutil.rmtree(unfinished)
    assert result.exit_code == 2
    assert f"utp resume {unfinished}" in result.stderr


def test_model_whose_head_is_not_trained_is_refused(finished_run: RunPaths, images: list[Path], tmp_path: Path) -> None:
    shutil.copytree(finished_run.hf, tmp_path / "hf")
    weights = load_file(tmp_path / "hf" / "model.safetensors")
    body = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier")}
    assert len(body) < len(weights)
    save_file(body, tmp_path / "hf" / "model.safetensors", metadata={"format": "pt"})
    result = predict(tmp_path / "hf", images[0])
    assert result.exit_code == 2
    assert "head has no weights" in result.stderr
