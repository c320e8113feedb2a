"""Augmentations: the right size and dtype, the stated distribution, all randomness from torch's default generator."""

from __future__ import annotations

import pickle
import random

import pytest
import torch
from torchvision.transforms import v2

from utp.core.augmentations.entries import AUGMENTATIONS, StandardOptions
from utp.core.augmentations.standard import build, build_none, draw_crop
from utp.core.data.transforms import Preprocessing
from utp.core.randomness import reseed
from utp.errors import ConfigError

PREPROCESSING = Preprocessing(resize=36, crop=(32, 32), mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
RAMP = torch.arange(50 * 70, dtype=torch.int32).remainder(256).to(torch.uint8).reshape(1, 50, 70).repeat(3, 1, 1)


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_every_augmentation_gives_uint8_of_the_models_size(name: str) -> None:
    entry = AUGMENTATIONS.get(name)
    transform = entry.load()(PREPROCESSING, entry.check_options({}, "augmentation_options"))
    for shape in ((50, 70), (9, 300), (1, 1)):
        image = torch.full((3, *shape), 200, dtype=torch.uint8)
        out = pickle.loads(pickle.dumps(transform))(image)
        assert (out.dtype, tuple(out.shape)) == (torch.uint8, (3, 32, 32))


def test_none_is_the_transform_of_evaluation() -> None:
    assert torch.equal(build_none(PREPROCESSING)(RAMP), PREPROCESSING.eval_transform(RAMP))


def test_same_seed_same_pixels_other_seed_other_pixels() -> None:
    transform = build(PREPROCESSING, StandardOptions())
    outputs = []
    for seed in (1, 1, 2):
        reseed(seed)
        random.seed(None)  # must not matter
        outputs.append(transform(RAMP))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0), (1.0, 200), (0.5, 100)])
def test_flip_happens_as_often_as_asked(probability: float, expected: int) -> None:
    options = StandardOptions(scale=(1.0, 1.0), ratio=(1.0, 1.0), horizontal_flip=probability)
    transform = build(PREPROCESSING, options)
    image = torch.zeros(3, 32, 32, dtype=torch.uint8)
    image[:, :, :16] = 255
    reseed(0)
    flipped = sum(bool(transform(image)[0, 0, 0] < 128) for _ in range(200))
    assert abs(flipped - expected) <= (0 if probability in (0, 1) else 25)


def test_whole_square_without_flip_is_the_plain_resize() -> None:
    options = StandardOptions(scale=(1.0, 1.0), ratio=(1.0, 1.0), horizontal_flip=0.0)
    image = RAMP[:, :, :50]
    expected = v2.functional.resize(image, [32, 32], interpolation=v2.InterpolationMode.BICUBIC, antialias=True)
    assert torch.equal(build(PREPROCESSING, options)(image), expected)


def test_crops_are_distributed_as_torchvisions() -> None:
    scale, ratio, draws = (0.35, 1.0), (3 / 4, 4 / 3), 3000
    reference = v2.RandomResizedCrop(32, scale=scale, ratio=ratio)
    reseed(0)
    ours = torch.tensor([draw_crop(200, 300, scale, ratio) for _ in range(draws)], dtype=torch.float64)
    theirs = torch.tensor([list(reference.make_params([RAMP.new_zeros(3, 200, 300)]).values()) for _ in range(draws)])
    assert (ours[:, 0] + ours[:, 2]).max() <= 200
    assert (ours[:, 1] + ours[:, 3]).max() <= 300
    standard_error = theirs.double().std(dim=0) * (2 / draws) ** 0.5
    assert ((ours.mean(dim=0) - theirs.double().mean(dim=0)).abs() < 4 * standard_error).all()


@pytest.mark.parametrize(("shape", "expected"), [((20, 300), (0, 136, 20, 27)), ((300, 20), (136, 0, 27, 20))])
def test_very_long_picture_gives_the_largest_central_crop(
    shape: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert draw_crop(*shape, (1.0, 1.0), (3 / 4, 4 / 3)) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"scale": (0.9, 0.1)},
        {"scale": (0.0, 1.0)},
        {"ratio": (-1.0, 1.0)},
        {"horizontal_flip": 1.5},
        {"vertical_flip": 1},
    ],
)
def test_bad_option_is_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"augmentation_options.{next(iter(options))}"):
        AUGMENTATIONS.get("standard").check_options(options, "augmentation_options")


def test_options_come_from_json_too() -> None:
    options = AUGMENTATIONS.get("standard").check_options({"scale": [0.5, 1.0], "horizontal_flip": 0}, "x")
    assert options == StandardOptions(scale=(0.5, 1.0), horizontal_flip=0.0)
