"""Rows 53 and 54 of the fault matrix: no pickle is opened and no code run that comes with a model."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from utp.core.models.source import preset_directory
from utp.entrypoints.cli import app

pytestmark = pytest.mark.fault


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


@pytest.fixture
def canary(workplace: Path) -> Path:
    path = workplace / "canary"
    pickle.loads(pickle.dumps(Bomb(path)))
    assert path.exists()  # or the tests below could not fail
    path.unlink()
    return path


@pytest.fixture
def model(workplace: Path) -> Path:
    """A model folder in MODELS_DIR, so far without weights."""
    folder = workplace / "inside" / "models" / "evil"
    shutil.copytree(preset_directory("resnet-micro"), folder)
    return folder


def attempts(workplace: Path, model: Path) -> list[Result]:
    """Open the model in both ways there are: to train from it, and to predict with it."""
    image = next((workplace / "inside" / "datasets" / "digits" / "test").rglob("*.png"))
    config = {"root": "digits", "model_flavour": "./evil", "num_workers": 0, "epochs": 1, "max_datapoints_per_class": 2}
    Path("config.json").write_text(json.dumps(config))
    return [
        CliRunner().invoke(app, ["train", "config.json"]),
        CliRunner().invoke(app, ["predict", str(model), str(image)]),
    ]


def assert_refused(results: list[Result], told: str) -> None:
    for result in results:
        assert result.exit_code == 2, result.output
        assert told in result.stderr.replace("\n", ""), result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["pytorch_model.bin", "best.pt"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_pickled_weights_are_never_opened(workplace: Path, model: Path, canary: Path, name: str, is_zip: bool) -> None:
    if is_zip:
        torch.save(Bomb(canary), model / name)
    else:
        (model / name).write_bytes(pickle.dumps(Bomb(canary)))
    assert_refused(attempts(workplace, model), "safetensors" if name.endswith(".bin") else "holds no weights")
    assert not canary.exists()


def test_pickle_beside_safetensors_is_not_opened(workplace: Path, model: Path, canary: Path) -> None:
    torch.save(Bomb(canary), model / "pytorch_model.bin")
    save_file({"x": torch.zeros(1)}, model / "model.safetensors", metadata={"format": "pt"})
    assert_refused(attempts(workplace, model), "weights")
    assert not canary.exists()


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2**31) + b"{}",
        b"\x08",
        b"",
        b"\x80\x04pickle, by its first bytes",
    ],
    ids=["header of an exabyte", "header of 2 GB", "one byte", "empty", "pickle"],
)
def test_safetensors_that_lie_about_their_size_are_refused(workplace: Path, model: Path, content: bytes) -> None:
    (model / "model.safetensors").write_bytes(content)
    assert_refused(attempts(workplace, model), "weights can't be read")


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_code_beside_a_model_is_never_run(workplace: Path, model: Path, canary: Path, file: str) -> None:
    save_file({"x": torch.zeros(1)}, model / "model.safetensors", metadata={"format": "pt"})
    (model / "evil.py").write_text(f"open({str(canary)!r}, 'w').close()\nclass Evil: pass\n")
    values = json.loads((model / file).read_text())
    auto_map = dict.fromkeys(("AutoConfig", "AutoModelForImageClassification", "AutoImageProcessor"), "evil.Evil")
    values = {**values, "auto_map": auto_map}
    if file == "preprocessor_config.json":
        values["image_processor_type"] = "Evil"
    (model / file).write_text(json.dumps(values))
    assert_refused(attempts(workplace, model), "model_flavour")
    assert not canary.exists()
