"""timm's models through transformers' wrapper, from a local folder: trained, exported, loaded again by `pipeline`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.support.noise_images import CONFIG, train_images, write_noise
from timm.layers import DropPath
from transformers import PreTrainedModel, TimmWrapperConfig, pipeline

from utp.core.data.preprocessing import load_preprocessing
from utp.core.models.build import build_classifier
from utp.core.models.head import head_parameters
from utp.core.models.source import resolve_source
from utp.errors import ModelError
from utp.settings import Settings

SIZE = 32
CLASSES = ("a", "b")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, and `model/`: timm's config of a small ResNet, without weights."""
    folder = tmp_path_factory.mktemp("timm")
    write_noise(folder / "data", {"a": 4, "b": 4}, {"a": 2, "b": 2})
    config = TimmWrapperConfig(
        architecture="resnet18",
        num_labels=1000,
        model_args={"channels": [8, 8, 8, 8]},
        pretrained_cfg={
            "input_size": [3, SIZE, SIZE],
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": "center",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "num_classes": 1000,
        },
    )
    config.save_pretrained(folder / "model")
    return folder


def build(folder: Path, **options: object) -> PreTrainedModel:
    source = resolve_source(str(folder / "model"), None, Settings(MODELS_DIR=None))
    return build_classifier(
        source, CLASSES, **{"load_pretrained": False, "freeze_backbone": False, "seed": 0, **options}
    )


def test_labels_and_head_are_ours(folder: Path) -> None:
    model = build(folder).eval()
    assert model.config.id2label == dict(enumerate(CLASSES))
    assert model(pixel_values=torch.zeros(1, 3, SIZE, SIZE)).logits.shape == (1, 2)
    assert set(head_parameters(model)) == {"timm_model.fc.weight", "timm_model.fc.bias"}


def test_weights_are_a_function_of_the_seed_alone(folder: Path) -> None:
    first = build(folder).state_dict()
    torch.manual_seed(99)
    second = build(folder).state_dict()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_frozen_backbone_leaves_the_head_alone_to_train(folder: Path) -> None:
    model = build(folder, freeze_backbone=True)
    assert {name for name, p in model.named_parameters() if p.requires_grad} == set(head_parameters(model))


def test_drop_path_reaches_the_blocks(folder: Path) -> None:
    model = build(folder, drop_path_rate=0.4)
    rates = [module.drop_prob for module in model.modules() if isinstance(module, DropPath)]
    assert max(rates) == pytest.approx(0.4)


def test_run_trains_and_its_export_is_loaded_by_pipeline(folder: Path) -> None:
    config = replace(CONFIG, model_flavour=str(folder / "model"), batch_size=4, epochs=1)
    reporter, weights = train_images(folder, config, "run")
    assert [row["step"] for row in reporter.rows if row["kind"] == "train"] == [1, 2]
    hf = folder / "run" / "checkpoints" / "hf"
    classify = pipeline("image-classification", model=str(hf), device="cpu")
    loaded = classify.model.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.items())
    answer = classify(Image.open(next((folder / "data" / "val" / "a").iterdir())))
    assert {row["label"] for row in answer} == set(CLASSES)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"interpolation": "bicubic", "crop_pct": 0.875},
        {"crop_mode": "squash", "crop_pct": 0.9, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    ],
)
@pytest.mark.parametrize("image_size", [None, 48])
def test_preprocessing_is_that_of_timms_own_transform(
    folder: Path, tmp_path: Path, changes: dict[str, object], image_size: int | None
) -> None:
    """`load_preprocessing` compares the two on pictures, and refuses a model where they differ."""
    config = TimmWrapperConfig.from_pretrained(folder / "model")
    config.pretrained_cfg = {**config.pretrained_cfg, **changes}
    config.save_pretrained(tmp_path)
    preprocessing = load_preprocessing(tmp_path, image_size=image_size)
    assert preprocessing.size == (image_size or SIZE,) * 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"crop_mode": "border"}, "crop_mode 'border' to 32x32 is not supported"),
        ({"input_size": [3, 32, 48]}, "to 32x48 is not supported; center of a square is"),
        ({"input_size": [1, 32, 32], "mean": [0.5], "std": [0.5]}, "input_size has 1 channels"),
        ({"interpolation": "nearest"}, "interpolation 'nearest' is not supported"),
    ],
)
def test_transform_that_training_can_not_repeat_is_refused(
    folder: Path, tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    config = TimmWrapperConfig.from_pretrained(folder / "model")
    config.pretrained_cfg = {**config.pretrained_cfg, **changes}
    config.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=reason):
        load_preprocessing(tmp_path)


def test_exported_processor_gives_pictures_of_the_size_that_was_trained(folder: Path) -> None:
    config = replace(CONFIG, model_flavour=str(folder / "model"), batch_size=4, epochs=1, image_size=48)
    train_images(folder, config, "larger")
    hf = folder / "larger" / "checkpoints" / "hf"
    assert load_preprocessing(hf).size == (48, 48)
