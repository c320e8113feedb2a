"""Preprocessing: ours gives the numbers of the model's own processor, and what can't be reproduced is refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F  # noqa: N812  (torchvision's own name for it)
from transformers import AutoImageProcessor

from utp.core.data import transforms
from utp.core.data.decode import decode_image
from utp.core.data.preprocessing import Preprocessing, load_preprocessing
from utp.errors import ModelError

STANDARD: dict[str, Any] = {
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
PROCESSORS: dict[str, dict[str, Any]] = {
    "vit": {"image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}, "resample": 2},
    "vit, size as int": {"feature_extractor_type": "ViTFeatureExtractor", "size": 64, "resample": 2},
    "swin": {"image_processor_type": "ViTImageProcessor", "size": {"height": 256, "width": 256}, "resample": 3},
    "deit": {"image_processor_type": "DeiTImageProcessor", "size": 256, "crop_size": 224, "do_center_crop": True},
    "deit, uncropped": {"image_processor_type": "DeiTImageProcessor", "size": 96, "do_center_crop": False},
    "convnext": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}, "crop_pct": 0.875},
    "convnext, odd": {"image_processor_type": "ConvNextImageProcessor", "size": 75, "crop_pct": 0.95, "resample": 2},
    "convnext 384": {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 384}},
    "bit, dinov2": {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256}, "crop_size": 224},
    "levit": {"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 96}, "crop_size": 96},
    "poolformer": {"image_processor_type": "PoolFormerImageProcessor", "size": 96, "crop_size": 96, "crop_pct": 0.9},
    "mobilevit, BGR": {"image_processor_type": "MobileViTImageProcessor", "size": 80, "crop_size": 64},
    "efficientnet": {
        "image_processor_type": "EfficientNetImageProcessor", "size": 100, "crop_size": 71, "do_center_crop": True,
        "include_top": True, "rescale_offset": False,
    },
    "efficientnet, offset": {
        "image_processor_type": "EfficientNetImageProcessor", "size": 80, "include_top": True, "rescale_offset": True,
        "rescale_factor": 1 / 127.5,
    },
    "not normalised": {"image_processor_type": "ViTImageProcessor", "size": 48, "do_normalize": False},
    "not rescaled": {"image_processor_type": "ViTImageProcessor", "size": 48, "do_rescale": False},
    "lanczos": {"image_processor_type": "ViTImageProcessor", "size": 48, "resample": 1},
    "nearest": {"image_processor_type": "ViTImageProcessor", "size": 48, "resample": 0},
    "crop larger than resize": {
        "image_processor_type": "DeiTImageProcessor", "size": {"shortest_edge": 50}, "crop_size": 65,
    },
    "crop alone": {"image_processor_type": "DeiTImageProcessor", "do_resize": False, "crop_size": 64},
}  # fmt: skip


@pytest.fixture
def model_with(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a model directory with this processor."""

    def write(processor: dict[str, Any]) -> Path:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps({**STANDARD, **processor}))
        return tmp_path

    return write


def photo(height: int = 333, width: int = 500) -> torch.Tensor:
    """Smooth shapes with edges, as photographs have; odd sizes, so that margins round."""
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / (7 + k)) * np.cos(columns / (11 - k)) + (rows > columns) for k in range(3)]
    return torch.from_numpy(np.stack([(w - w.min()) / np.ptp(w) * 255 for w in waves]).astype(np.uint8))


def assert_same(preprocessing: Preprocessing, directory: Path, image: torch.Tensor) -> None:
    """Equal up to float rounding (1e-5 of a normalised value): the 8-bit resize is the same code on the same pixels."""
    processor = AutoImageProcessor.from_pretrained(directory, backend="torchvision")
    theirs = processor(images=image, return_tensors="pt")["pixel_values"].float()
    transformed = preprocessing.eval_transform(image)
    assert transformed.dtype == torch.uint8
    assert tuple(transformed.shape) == (3, *preprocessing.size)
    ours = preprocessing.normalise(transformed[None])
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("shape", [(333, 500), (500, 333), (61, 40)])
def test_numbers_are_those_of_the_processor(model_with: Callable[..., Path], name: str, shape: tuple[int, int]) -> None:
    directory = model_with(PROCESSORS[name])
    assert_same(load_preprocessing(directory), directory, photo(*shape))


@pytest.mark.parametrize("image_size", [33, 128])
@pytest.mark.parametrize("name", PROCESSORS)
def test_saved_processor_does_the_same_at_another_size(
    model_with: Callable[..., Path], tmp_path: Path, name: str, image_size: int
) -> None:
    preprocessing = load_preprocessing(model_with(PROCESSORS[name]), image_size=image_size)
    assert preprocessing.size == (image_size, image_size)
    preprocessing.save_processor(tmp_path / "export")
    assert_same(preprocessing, tmp_path / "export", photo())
    assert load_preprocessing(tmp_path / "export") == preprocessing


def test_image_size_scales_the_resize_before_the_crop(model_with: Callable[..., Path]) -> None:
    directory = model_with(PROCESSORS["bit, dinov2"])
    assert load_preprocessing(directory).resize == 256
    assert load_preprocessing(directory, image_size=112).resize == 128
    assert load_preprocessing(model_with(PROCESSORS["deit"]), image_size=96).resize == (110, 110)


def test_shortest_edge_without_crop_is_cropped_to_a_square(model_with: Callable[..., Path]) -> None:
    preprocessing = load_preprocessing(
        model_with(
            {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 50}, "do_center_crop": False}
        )
    )
    assert (preprocessing.resize, preprocessing.crop) == (50, (50, 50))


@pytest.mark.data
@pytest.mark.parametrize("model", ["efficientnet-lite0", "mobilenetv2-backbone"])
def test_real_model_on_a_real_photo(real_data: Callable[[str], Path], tmp_path: Path, model: str) -> None:
    image = decode_image(real_data("awkward_jpegs") / "camera_trap" / "ocelot.jpg")
    directory = real_data(model)
    assert_same(load_preprocessing(directory), directory, image)
    small = load_preprocessing(directory, image_size=96)
    small.save_processor(tmp_path)
    assert (small.resize, small.crop) == (110, (96, 96))
    assert_same(small, tmp_path, image)


def refusal(source: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load_preprocessing(source, **options)
    assert caught.value.model_flavour == str(source)
    return caught.value.problem


@pytest.mark.parametrize(
    ("processor", "sentence"),
    [
        (
            {"image_processor_type": "ViTImageProcessor", "image_mean": [0.5], "image_std": [0.5]},
            "image_mean has 1 channels",
        ),
        (
            {"image_processor_type": "ViTImageProcessor", "size": {"shortest_edge": 20, "longest_edge": 90}},
            "longest_edge",
        ),
        ({"image_processor_type": "ViTImageProcessor", "do_resize": False}, "set image_size"),
        ({"image_processor_type": "PerceiverImageProcessor"}, "can't be reproduced"),
        ({"image_processor_type": "NoSuchImageProcessor"}, "can't be loaded"),
        ({"image_processor_type": "ViTImageProcessor", "resample": 77}, "77"),
    ],
)
def test_processor_that_can_not_be_reproduced_is_refused(
    model_with: Callable[..., Path], processor: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal(model_with(processor))


def test_directory_without_processor_is_refused_with_the_way_out(tmp_path: Path) -> None:
    assert "needs a sound preprocessor_config.json" in refusal(tmp_path)


def test_broken_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text("{")
    assert "can't be loaded" in refusal(tmp_path)


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    config = {"auto_map": {"AutoImageProcessor": "canary.Canary"}, "image_processor_type": "Canary"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    (tmp_path / "canary.py").write_text(f"open({str(tmp_path / 'sung')!r}, 'w')\nclass Canary: pass\n")
    assert "can't be loaded" in refusal(tmp_path)
    assert not (tmp_path / "sung").exists()


def test_preprocessing_is_plain_data(model_with: Callable[..., Path]) -> None:
    preprocessing = load_preprocessing(model_with(PROCESSORS["convnext"]))
    assert pickle.loads(pickle.dumps(preprocessing)) == preprocessing
    assert type(preprocessing).__module__ == "utp.core.data.transforms"  # which imports no transformers


@pytest.mark.parametrize("shape", [(3, 90), (91, 3), (1, 40), (4, 101)])
@pytest.mark.parametrize("crop", [(24, 24), (31, 21)])
def test_crop_of_a_picture_that_is_nearly_a_line_is_that_of_the_whole_and_its_ends_are_never_scaled(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], crop: tuple[int, int]
) -> None:
    picture = torch.randint(0, 256, (3, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    preprocessing = Preprocessing(resize=32, crop=crop, mean=(0.5,) * 3, std=(0.5,) * 3)
    sizes: list[list[int]] = []
    resize = F.resize
    monkeypatch.setattr(F, "resize", lambda image, size, **how: sizes.append(size) or resize(image, size, **how))
    found = preprocessing.eval_transform(picture)
    monkeypatch.setattr(transforms, "MAX_SHAPE", 1000)
    whole = preprocessing.eval_transform(picture)
    scaled, scaled_whole = (max(size) for size in sizes)
    assert scaled <= 17 * 32 < scaled_whole
    assert (found.int() - whole.int()).abs().float().mean() <= 2  # of another rounding of the scale, over steep edges
