"""Random erasing: as often, as large and in the paint that was asked for."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from utp.config.train import TrainConfig
from utp.core.augmentations.random_erasing import RandomErasing, draw_rectangle
from utp.core.augmentations.standard import build_none
from utp.core.data.transforms import Preprocessing
from utp.core.randomness import reseed

PREPROCESSING = Preprocessing(resize=(32, 32), crop=None, mean=(0.5, 0.4, 0.2), std=(0.1, 0.1, 0.1))
WHITE = torch.full((3, 32, 32), 255, dtype=torch.uint8)


def erased(probability: float, fill: str, count: int = 300) -> list[torch.Tensor]:
    erase = RandomErasing(build_none(PREPROCESSING), PREPROCESSING, probability, fill)  # type: ignore[arg-type]
    reseed(0)
    return [erase(WHITE) for _ in range(count)]


@pytest.mark.parametrize(("probability", "expected"), [(0.25, 75), (1.0, 300)])
def test_erases_as_often_as_asked_and_leaves_the_input_alone(probability: float, expected: int) -> None:
    changed = sum(not torch.equal(image, WHITE) for image in erased(probability, "mean"))
    assert abs(changed - expected) <= (0 if probability == 1 else 30)
    assert (WHITE == 255).all()


def test_one_rectangle_of_2_to_33_percent_is_painted_in_the_mean_colour() -> None:
    for image in erased(1.0, "mean", 50):
        hit = (image != 255).any(dim=0)
        rows, columns = hit.any(dim=1).sum(), hit.any(dim=0).sum()
        assert hit.sum() == rows * columns
        assert 0.015 < hit.float().mean() < 0.36
        assert set(map(tuple, image[:, hit].T.tolist())) == {(128, 102, 51)}


def test_noise_has_the_mean_and_deviation_that_the_model_normalises() -> None:
    pixels = torch.cat([image[:, (image != 255).any(dim=0)] for image in erased(1.0, "noise", 100)], dim=1).float()
    torch.testing.assert_close(pixels.mean(dim=1), torch.tensor([127.5, 102.0, 51.0]), rtol=0, atol=1.5)
    torch.testing.assert_close(pixels.std(dim=1), torch.full((3,), 25.5), rtol=0, atol=1.5)


def test_paint_of_a_bgr_model_is_rgb() -> None:
    bgr = Preprocessing(resize=None, crop=(8, 8), mean=(20.0, 100.0, 200.0), std=(1.0,) * 3, rescale=1.0, is_bgr=True)
    assert bgr.mean_colour == (200.0, 100.0, 20.0)


def test_tiny_picture_is_erased_within_its_bounds() -> None:
    reseed(0)
    for _ in range(100):
        top, left, height, width = draw_rectangle(2, 3)
        assert top + height <= 2
        assert left + width <= 3


def test_fill_without_erasing_is_refused() -> None:
    with pytest.raises(ValidationError, match="no effect with random_erasing 0"):
        TrainConfig(root="x", model_flavour="x", random_erasing_fill="mean")
    assert TrainConfig(root="x", model_flavour="x", random_erasing=0.25, random_erasing_fill="mean")
