from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.support.file_size_limit import file_size_limit
from transformers import AutoImageProcessor, AutoModelForImageClassification, PreTrainedModel, pipeline

from utp.core.models.build import build_classifier
from utp.core.models.export import export_pretrained
from utp.core.models.source import resolve_source
from utp.settings import Settings

STANDALONE = Settings(MODELS_DIR=None)
MICRO = resolve_source("builtin/resnet-micro", None, STANDALONE)
CLASSES = ("cat", "dog")


@pytest.fixture
def model() -> PreTrainedModel:
    return build_classifier(MICRO, CLASSES, load_pretrained=False, freeze_backbone=False, seed=0).eval()


def _write_processor(directory: Path) -> None:
    AutoImageProcessor.from_pretrained(MICRO.location).save_pretrained(directory)


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def _fail(directory: Path) -> None:
    raise OSError("disk full")


def test_export_is_what_from_pretrained_loads(model: PreTrainedModel, tmp_path: Path) -> None:
    target = tmp_path / "run" / "hf"
    export_pretrained(model, _write_processor, target, card="# A card\n")
    assert {"config.json", "model.safetensors", "preprocessor_config.json", "README.md"} <= set(_names(target))
    assert _names(target.parent) == ["hf"]
    assert (target / "README.md").read_text() == "# A card\n"
    loaded = AutoModelForImageClassification.from_pretrained(target).eval()
    assert loaded.config.id2label == {0: "cat", 1: "dog"}
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(pixel_values=images).logits, model(pixel_values=images).logits)


def test_export_classifies_in_a_pipeline(model: PreTrainedModel, tmp_path: Path) -> None:
    export_pretrained(model, _write_processor, tmp_path / "hf", card="")
    answer = pipeline("image-classification", model=str(tmp_path / "hf"))(Image.new("RGB", (50, 40), "red"))
    assert {row["label"] for row in answer} == set(CLASSES)


def test_exported_model_can_be_trained_further(model: PreTrainedModel, tmp_path: Path) -> None:
    export_pretrained(model, _write_processor, tmp_path / "hf", card="")
    source = resolve_source(str(tmp_path / "hf"), None, STANDALONE)
    again = build_classifier(source, CLASSES, load_pretrained=True, freeze_backbone=False, seed=9)
    assert all(torch.equal(left, right) for left, right in zip(model.parameters(), again.parameters(), strict=True))


def test_new_export_replaces_the_old_one_whole(model: PreTrainedModel, tmp_path: Path) -> None:
    target = tmp_path / "hf"
    export_pretrained(model, _write_processor, target, card="old")
    (target / "left-over.txt").write_text("of the old one")
    export_pretrained(model, _write_processor, target, card="new")
    assert (target / "README.md").read_text() == "new"
    assert not (target / "left-over.txt").exists()
    assert _names(tmp_path) == ["hf"]


def test_failed_export_leaves_the_old_one_and_nothing_else(model: PreTrainedModel, tmp_path: Path) -> None:
    target = tmp_path / "hf"
    export_pretrained(model, _write_processor, target, card="old")
    with pytest.raises(OSError, match="disk full"):
        export_pretrained(model, _fail, target, card="new")
    assert (target / "README.md").read_text() == "old"
    assert _names(tmp_path) == ["hf"]


def test_failed_first_export_leaves_nothing(model: PreTrainedModel, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk full"):
        export_pretrained(model, _fail, tmp_path / "hf", card="")
    assert _names(tmp_path) == []


def test_disk_that_takes_no_weights_is_named_as_such_and_nothing_is_left(
    model: PreTrainedModel, tmp_path: Path
) -> None:
    with file_size_limit(100_000), pytest.raises(OSError, match="File too large") as caught:
        export_pretrained(model, _write_processor, tmp_path / "hf", card="")
    assert caught.value.errno == errno.EFBIG
    assert _names(tmp_path) == []


def test_what_killed_exports_left_is_cleaned_up(model: PreTrainedModel, tmp_path: Path) -> None:
    export_pretrained(model, _write_processor, tmp_path / "hf", card="old")
    shutil.copytree(tmp_path / "hf", tmp_path / ".hf.new")
    (tmp_path / "hf").rename(tmp_path / ".hf.old")  # killed between the two renames of a system without an exchange
    with pytest.raises(OSError, match="disk full"):
        export_pretrained(model, _fail, tmp_path / "hf", card="new")
    assert (tmp_path / "hf" / "README.md").read_text() == "old"
    assert _names(tmp_path) == ["hf"]


def test_export_is_never_absent_while_it_is_replaced(model: PreTrainedModel, tmp_path: Path) -> None:
    target = tmp_path / "hf"
    export_pretrained(model, _write_processor, target, card="")
    absent, done = [], threading.Event()

    def watch() -> None:
        while not done.is_set():
            absent.append(not target.exists())

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(5):
        export_pretrained(model, _write_processor, target, card="")
    done.set()
    watcher.join()
    assert absent
    assert not any(absent)


@pytest.mark.data
def test_real_lite0_recognises_a_real_photo_in_a_pipeline(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    directory = real_data("efficientnet-lite0")
    classes = tuple(AutoModelForImageClassification.from_pretrained(directory).config.id2label.values())
    source = resolve_source(str(directory), None, STANDALONE)
    model = build_classifier(source, classes, load_pretrained=True, freeze_backbone=False, seed=0)

    def write(target: Path) -> None:
        AutoImageProcessor.from_pretrained(directory).save_pretrained(target)

    export_pretrained(model, write, tmp_path / "hf", card="")
    classify = pipeline("image-classification", model=str(tmp_path / "hf"))
    for fruit in ("Pineapple", "Pomegranate"):  # names of ImageNet's too
        photo = min((real_data("grocery_fruit") / "test" / fruit).iterdir())
        assert classify(str(photo))[0]["label"] == fruit.lower()
