"""The compiled resize gives torch's own pixels, bit for bit, and refuses what it was not made for."""

from __future__ import annotations

import random

import pytest
import torch
from tests.support.native_code import native_code
from torch.nn.functional import interpolate
from torchvision.transforms.v2 import functional as F  # noqa: N812

from utp.core.augmentations.entries import StandardOptions
from utp.core.augmentations.standard import build
from utp.core.data.picture import PixelPicture
from utp.core.data.transforms import Preprocessing
from utp.core.native import resize
from utp.core.native.library import problem_of
from utp.core.randomness import reseed

needs_library = pytest.mark.skipif(bool(problem_of("resize")), reason=f"compiled resize: {problem_of('resize')}")


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> torch.Tensor:
    """Black and white as often as grey: rounding at both ends of the range shows."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(-200, 456, (height, width, channels), generator=generator)
    return pixels.clamp_(0, 255).to(torch.uint8).permute(2, 0, 1)


def by_torch(pixels: torch.Tensor, box: resize.Box, size: tuple[int, int], mode: str, flip: bool) -> torch.Tensor:
    top, left, height, width = box
    part = pixels[None, :3, top : top + height, left : left + width]
    resized = interpolate(part, size, mode=mode, antialias=True)[0]
    return resized.flip(-1) if flip else resized


@needs_library
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("is_plain", [False, True])
def test_random_crops_are_torchs_to_the_bit(mode: str, is_plain: bool) -> None:
    rng = random.Random(f"{mode} {is_plain}")
    for case in range(150):
        largest = 40 if case % 2 else 400
        pixels = noise(rng.randint(1, largest), rng.randint(1, largest), rng.choice((3, 4)), case)
        height, width = rng.randint(1, pixels.shape[1]), rng.randint(1, pixels.shape[2])
        box = (rng.randint(0, pixels.shape[1] - height), rng.randint(0, pixels.shape[2] - width), height, width)
        size = (224, 224) if case % 3 == 0 else (rng.randint(1, 90), rng.randint(1, 90))
        flip = rng.random() < 0.5
        found = resize.resize_crop(pixels, box, size, mode, flip=flip, is_plain=is_plain)
        assert found is not None
        assert found.is_contiguous()
        assert torch.equal(found, by_torch(pixels, box, size, mode, flip)), (pixels.shape, box, size, flip)


@needs_library
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_weights_of_every_width_are_torchs(mode: str) -> None:
    pixels = noise(1, 700)
    for width in range(1, 701):
        found = resize.resize_crop(pixels, (0, 0, 1, width), (1, 224), mode, flip=False)
        assert found is not None
        assert torch.equal(found, by_torch(pixels, (0, 0, 1, width), (1, 224), mode, flip=False)), width


@needs_library
@pytest.mark.parametrize(
    "box", [(-1, 0, 5, 5), (0, -1, 5, 5), (6, 0, 5, 5), (0, 8, 5, 5), (0, 0, 0, 5), (0, 0, 5, 0), (0, 0, 2**62, 5)]
)
def test_box_beyond_the_picture_is_refused_before_a_byte_is_read(box: resize.Box) -> None:
    assert resize.resize_crop(noise(10, 12), box, (4, 4), "bilinear", flip=False) is None


@needs_library
def test_other_layouts_kernels_and_types_are_left_to_torch() -> None:
    pixels, box = noise(10, 12), (0, 0, 10, 12)
    assert resize.resize_crop(pixels.contiguous(), box, (4, 4), "bilinear", flip=False) is None
    assert resize.resize_crop(pixels.float(), box, (4, 4), "bilinear", flip=False) is None
    assert resize.resize_crop(pixels[:1], box, (4, 4), "bilinear", flip=False) is None
    assert resize.resize_crop(pixels.flip(1)[:, :, ::2], (0, 0, 10, 6), (4, 4), "bilinear", flip=False) is None
    assert resize.resize_crop(pixels, box, (4, 4), "lanczos", flip=False) is None
    assert resize.resize_crop(pixels, box, (0, 4), "bilinear", flip=False) is None


def augmented() -> list[torch.Tensor]:
    preprocessing = Preprocessing(resize=64, crop=(64, 48), mean=(0.5,) * 3, std=(0.5,) * 3)
    transform, pictures = build(preprocessing, StandardOptions()), []
    for seed in range(6):
        reseed(seed)
        pictures.append(transform(noise(90, 120)))
    return pictures


def test_switched_off_it_gives_the_same_pixels() -> None:
    with_library = augmented()
    with native_code(on=False):
        assert problem_of("resize") == "UTP_NATIVE=0 switches it off"
        assert resize.resize_crop(noise(9, 9), (0, 0, 9, 9), (4, 4), "bilinear", flip=False) is None
        without = augmented()
    assert all(torch.equal(one, other) for one, other in zip(with_library, without, strict=True))


@needs_library
def test_kernel_that_rounds_otherwise_than_torch_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(resize, "interpolate", lambda *args, **options: interpolate(*args, **options) + 1)
    resize.loaded_function.cache_clear()
    assert resize.loaded_function() is None
    assert "gives other pixels than torch" in caplog.text
    monkeypatch.undo()
    resize.loaded_function.cache_clear()


@pytest.mark.parametrize("interpolation", [F.InterpolationMode.BILINEAR, F.InterpolationMode.NEAREST])
def test_flip_of_a_crop_is_its_mirror_image(interpolation: F.InterpolationMode) -> None:
    picture = PixelPicture(noise(50, 60))
    box = (3, 4, 40, 30)
    straight, flipped = (picture.resized_crop(box, (20, 24), interpolation, flip=flip) for flip in (False, True))
    assert torch.equal(flipped, straight.flip(-1))
