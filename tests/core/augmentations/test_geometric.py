"""Batch augmentation: pixels stay in [0, 1], Kornia's own warp is the oracle, draws are a function of (seed, batch)."""

from __future__ import annotations

import pytest
import torch
from kornia.augmentation import RandomAffine

from utp.core.augmentations.entries import GPU_AUGMENTATIONS, GeometricOptions
from utp.core.augmentations.geometric import Geometric, build
from utp.core.data.transforms import Preprocessing
from utp.errors import ConfigError

IMAGES = torch.rand(5, 3, 20, 32, generator=torch.Generator().manual_seed(0))
STILL = GeometricOptions(degrees=0, translate=0, scale=(1, 1), shear=0, perspective=0, horizontal_flip=0)


def test_pixels_stay_between_0_and_1_and_move() -> None:
    for batch in range(20):
        out = build(GeometricOptions(degrees=45, perspective=0.5), 0)(IMAGES, 0, batch)
        assert (out.shape, out.dtype) == (IMAGES.shape, torch.float32)
        assert 0 <= out.min() <= out.max() <= 1
        assert not torch.equal(out, IMAGES)


def test_options_of_nothing_leave_the_picture() -> None:
    torch.testing.assert_close(build(STILL, 0)(IMAGES, 0, 0), IMAGES, rtol=0, atol=1e-5)


def test_flip_alone_is_the_mirror_image() -> None:
    options = GeometricOptions(degrees=0, translate=0, scale=(1, 1), shear=0, perspective=0, horizontal_flip=1)
    torch.testing.assert_close(build(options, 0)(IMAGES, 0, 0), IMAGES.flip(3), rtol=0, atol=1e-5)


def test_warp_is_kornias() -> None:
    # A picture that is black outside its middle: what lies beyond the border is mirrored by us, black for Kornia.
    images = torch.zeros(4, 3, 48, 48)
    images[..., 16:32, 16:32] = torch.rand(4, 3, 16, 16)
    step = RandomAffine(degrees=20.0, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=5.0, p=1.0, align_corners=True)
    ours = Geometric([step], seed=0)
    draws_seed = 7
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(draws_seed)
        theirs = step(images)
    matrices = ours._draw_matrices(4, 48, 48, draws_seed)
    torch.testing.assert_close(matrices, step.transform_matrix, rtol=0, atol=1e-4)
    torch.testing.assert_close(ours._warp(images, matrices), theirs, rtol=0, atol=1e-4)


def test_draws_are_a_function_of_seed_epoch_and_batch_and_leave_the_generator_alone() -> None:
    augment, state = build(GeometricOptions(), 1), torch.default_generator.get_state()
    first = augment(IMAGES, 2, 3)
    torch.rand(7)
    torch.default_generator.set_state(state)
    assert torch.equal(augment(IMAGES, 2, 3), first)
    assert torch.equal(torch.default_generator.get_state(), state)
    for other in (augment(IMAGES, 3, 3), augment(IMAGES, 2, 4), build(GeometricOptions(), 2)(IMAGES, 2, 3)):
        assert not torch.equal(other, first)


def test_autocast_does_not_move_pixels() -> None:
    augment = build(GeometricOptions(), 1)
    plain = augment(IMAGES, 0, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augment(IMAGES, 0, 0), plain)


def test_normalising_after_it_is_normalising_the_changed_picture() -> None:
    preprocessing = Preprocessing(resize=None, crop=(20, 32), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    out = build(GeometricOptions(), 0)(IMAGES, 0, 0)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    torch.testing.assert_close(preprocessing.normalise(out * 255), (out - mean) / std, rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{"degrees": 200}, {"scale": (1.2, 0.8)}, {"perspective": 0.9}, {"blur": 1}])
def test_bad_option_is_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"gpu_augmentation_options.{next(iter(options))}"):
        GPU_AUGMENTATIONS.get("geometric").check_options(options, "gpu_augmentation_options")
