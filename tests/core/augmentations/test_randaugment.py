"""RandAugment and TrivialAugment: timm's operations are the oracle, strength and choice are as stated."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import auto_augment
from torchvision.transforms.v2 import functional

from utp.core.augmentations import randaugment
from utp.core.augmentations.entries import RandAugmentOptions, StandardOptions
from utp.core.augmentations.randaugment import OPERATIONS, RandAugment
from utp.core.augmentations.standard import RandomResizedCropFlip
from utp.core.augmentations.trivial import build as build_trivial
from utp.core.data.transforms import Preprocessing
from utp.core.randomness import reseed

PREPROCESSING = Preprocessing(resize=36, crop=(32, 32), mean=(0.5, 0.4, 0.3), std=(0.2,) * 3)
FILL = PREPROCESSING.mean_colour
NOISE = torch.randint(0, 256, (3, 8, 9), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
PICTURE = functional.resize(NOISE, [40, 48], antialias=True)
WHOLE = {"scale": (1.0, 1.0), "ratio": (1.0, 1.0), "horizontal_flip": 0.0}


def as_pillow(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


@pytest.mark.parametrize(
    ("name", "timm_name", "timm_argument"),
    [
        ("auto_contrast", "AutoContrast", ()),
        ("equalize", "Equalize", ()),
        ("invert", "Invert", ()),
        ("posterize", "PosterizeIncreasing", (1,)),
        ("solarize", "SolarizeIncreasing", (26,)),
        ("solarize_add", "SolarizeAdd", (99,)),
        ("colour", "ColorIncreasing", (1.81,)),
        ("contrast", "ContrastIncreasing", (1.81,)),
        ("brightness", "BrightnessIncreasing", (1.81,)),
        ("sharpness", "SharpnessIncreasing", (1.81,)),
    ],
)
def test_colour_operation_equals_timms_at_magnitude_9(name: str, timm_name: str, timm_argument: tuple[float]) -> None:
    theirs = auto_augment.NAME_TO_OP[timm_name](as_pillow(PICTURE), *timm_argument)
    difference = OPERATIONS[name](PICTURE, 0.9, FILL).int() - torch.from_numpy(np.array(theirs)).permute(2, 0, 1).int()
    assert difference.abs().float().mean() < 1.0  # rounding; Pillow's contrast also rounds the mean
    assert difference.abs().max() <= 8


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "translate_x", "translate_y"])
def test_geometric_operation_moves_pixels_and_fills_with_the_mean_colour(name: str) -> None:
    one, other = (OPERATIONS[name](PICTURE, strength, FILL) for strength in (0.9, -0.9))
    assert not torch.equal(one, other)
    for moved in (one, other):
        assert (moved.shape, moved.dtype) == (PICTURE.shape, torch.uint8)
        filled = (moved.int() - torch.tensor(FILL).round().int().view(3, 1, 1)).abs().amax(dim=0) <= 1
        assert filled.float().mean() > 0.03


def test_set_of_operations_is_timms_increasing_one() -> None:
    assert len(OPERATIONS) == len(auto_augment._RAND_INCREASING_TRANSFORMS)


def test_operations_are_chosen_evenly_with_replacement_and_applied_half_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    applied: Counter[str] = Counter()

    def count(name: str) -> randaugment.Operation:
        def operation(image: torch.Tensor, strength: float, fill: randaugment.Colour) -> torch.Tensor:
            applied[name] += 1
            strengths.append(strength)
            return image

        return operation

    strengths: list[float] = []
    monkeypatch.setattr(randaugment, "OPERATIONS", {name: count(name) for name in OPERATIONS})
    options = RandAugmentOptions(num_ops=3, magnitude=6.0, magnitude_std=0.5, **WHOLE)
    augment = RandAugment(RandomResizedCropFlip(PREPROCESSING, options), FILL, options)
    reseed(1)
    picture = PICTURE[:, :32, :32]
    for _ in range(1500):
        augment(picture)
    assert abs(sum(applied.values()) - 2250) < 4 * (4500 * 0.25) ** 0.5
    assert all(abs(count - 150) < 4 * 150**0.5 for count in applied.values())
    drawn = torch.tensor(strengths)
    assert abs(float(drawn.abs().mean()) - 0.6) < 0.005
    assert abs(float(drawn.abs().std()) - 0.05) < 0.005
    assert abs(float((drawn < 0).float().mean()) - 0.5) < 0.05


@pytest.mark.parametrize("magnitude", [0.0, 10.0])
def test_strength_stays_between_none_and_full(magnitude: float) -> None:
    options = RandAugmentOptions(magnitude=magnitude, magnitude_std=3.0)
    augment = RandAugment(RandomResizedCropFlip(PREPROCESSING, options), FILL, options)
    reseed(0)
    strengths = [augment._draw_strength() for _ in range(200)]
    assert min(strengths) >= 0
    assert max(strengths) <= 1
    assert 0.3 < sum(strength == magnitude / 10 for strength in strengths) / 200 < 0.7


def test_pixels_are_a_function_of_the_seed() -> None:
    options = RandAugmentOptions()
    for augment in (randaugment.build(PREPROCESSING, options), build_trivial(PREPROCESSING, StandardOptions())):
        outputs = []
        for seed in (3, 3, 4):
            reseed(seed)
            outputs.append(torch.stack([augment(PICTURE) for _ in range(8)]))
        assert torch.equal(outputs[0], outputs[1])
        assert not torch.equal(outputs[0], outputs[2])


def test_trivial_changes_a_picture_once_after_the_crop() -> None:
    options = StandardOptions(**WHOLE)
    augment, crop = build_trivial(PREPROCESSING, options), RandomResizedCropFlip(PREPROCESSING, options)
    picture = PICTURE[:, :32, :32]
    reseed(0)
    unchanged = sum(torch.equal(augment(picture), crop(picture)) for _ in range(200))
    assert 5 < unchanged < 80  # identity, and draws too small to show
