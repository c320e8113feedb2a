"""Views of a picture for test-time augmentation, for every way in which models resize and crop."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch

from utp.core.data.transforms import Preprocessing
from utp.core.data.views import FiveCrops, FlippedViews

MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
WITH_MARGIN: list[dict[str, Any]] = [{"resize": 32, "crop": (28, 28)}, {"resize": (40, 36), "crop": (28, 28)}]
WITHOUT_MARGIN: list[dict[str, Any]] = [{"resize": (28, 28), "crop": None}, {"resize": 28, "crop": (28, 28)}]
SHAPES = [(60, 90), (90, 60), (28, 28), (20, 70)]


def picture(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sizes", WITH_MARGIN + WITHOUT_MARGIN)
@pytest.mark.parametrize("shape", SHAPES)
def test_five_crops_have_the_models_size_and_differ(sizes: dict[str, Any], shape: tuple[int, int]) -> None:
    views = FiveCrops(Preprocessing(mean=MEAN, std=STD, **sizes))(picture(*shape))
    assert views.shape == (5, 3, 28, 28)
    assert views.dtype == torch.uint8
    assert len({tuple(view.flatten().tolist()) for view in views}) == 5


@pytest.mark.parametrize("sizes", [*WITH_MARGIN, {"resize": None, "crop": (28, 28)}])
@pytest.mark.parametrize("shape", SHAPES)
def test_first_of_five_crops_is_what_evaluation_sees(sizes: dict[str, Any], shape: tuple[int, int]) -> None:
    preprocessing = Preprocessing(mean=MEAN, std=STD, **sizes)
    image = picture(*shape)
    assert torch.equal(FiveCrops(preprocessing)(image)[0], preprocessing.eval_transform(image))


def test_corners_are_the_corners_of_the_resized_picture() -> None:
    preprocessing = Preprocessing(resize=(36, 40), crop=(28, 28), mean=MEAN, std=STD)
    image = picture(36, 40)  # as large as the resize: pixels stay what they are
    views = FiveCrops(preprocessing)(image)
    corners = [image[:, :28, :28], image[:, :28, 12:], image[:, 8:, :28], image[:, 8:, 12:]]
    assert all(torch.equal(view, corner) for view, corner in zip(views[1:], corners, strict=True))


def test_second_view_of_a_flip_is_the_mirror_image() -> None:
    preprocessing = Preprocessing(resize=32, crop=(28, 28), mean=MEAN, std=STD)
    image = picture(50, 70)
    upright, mirrored = FlippedViews(preprocessing)(image)
    assert torch.equal(upright, preprocessing.eval_transform(image))
    assert torch.equal(mirrored.flip(-1), upright)


@pytest.mark.parametrize("views", [FiveCrops, FlippedViews])
def test_views_reach_loader_processes(views: Any) -> None:
    transform = views(Preprocessing(resize=32, crop=(28, 28), mean=MEAN, std=STD))
    assert pickle.loads(pickle.dumps(transform)) == transform
