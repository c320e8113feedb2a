"""Pictures of which only a crop is decoded: the pixels of the exact path, or close to them where a JPEG is scaled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.support.native_code import native_code
from torchvision.transforms.v2 import functional as F  # noqa: N812

from utp.core.augmentations.entries import StandardOptions
from utp.core.augmentations.standard import build
from utp.core.data.decode import decode_image
from utp.core.data.picture import EncodedPicture, PictureTransform, PixelPicture
from utp.core.data.transforms import Preprocessing
from utp.core.randomness import reseed
from utp.errors import CorruptImage


@pytest.fixture(params=[True, False], ids=["compiled", "pure"], autouse=True)
def is_compiled(request: pytest.FixtureRequest) -> Iterator[bool]:
    with native_code(on=request.param):
        yield request.param


BILINEAR, BICUBIC = F.InterpolationMode.BILINEAR, F.InterpolationMode.BICUBIC


def photo(height: int, width: int) -> Image.Image:
    """Noise at several scales, as photographs have it: no detail dominates and no region is flat."""
    rng = np.random.default_rng(0)
    picture = np.zeros((height, width, 3))
    for cells in (4, 16, 64):
        noise = rng.uniform(0, 80, (cells, cells, 3)).astype(np.uint8)
        picture += np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def psnr(first: torch.Tensor, second: torch.Tensor) -> float:
    error = float((first.float() - second.float()).square().mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


@pytest.mark.parametrize("interpolation", [BILINEAR, BICUBIC])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_crop_of_a_jpeg_is_that_of_its_whole_decoding(
    tmp_path: Path, mode: str, orientation: int, interpolation: F.InterpolationMode
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo(90, 120).convert(mode).save(tmp_path / "a.jpg", exif=exif)
    pixels, picture = PixelPicture(decode_image(tmp_path / "a.jpg")), EncodedPicture(tmp_path / "a.jpg")
    assert (picture.height, picture.width) == (pixels.height, pixels.width)
    box = (7, 11, 60, 70)
    expected = pixels.resized_crop(box, (32, 40), interpolation)
    assert torch.equal(picture.resized_crop(box, (32, 40), interpolation), expected)


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp", "gif", "bmp"])
def test_crop_of_another_format_is_that_of_its_whole_decoding(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if suffix in ("png", "tiff", "webp") else {}
    photo(90, 120).save(tmp_path / f"a.{suffix}", **options)
    pixels, picture = PixelPicture(decode_image(tmp_path / f"a.{suffix}")), EncodedPicture(tmp_path / f"a.{suffix}")
    assert (picture.height, picture.width) == (pixels.height, pixels.width)
    expected = pixels.resized_crop((7, 11, 60, 70), (32, 40), BILINEAR)
    assert torch.equal(picture.resized_crop((7, 11, 60, 70), (32, 40), BILINEAR), expected)


@pytest.mark.parametrize("orientation", [1, 6, 8])
@pytest.mark.parametrize("edge", [512, 256, 128, 64])
def test_scaled_decoding_keeps_45_db_at_every_orientation_and_corner(
    tmp_path: Path, orientation: int, edge: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    (photo(603, 601) if orientation == 1 else photo(608, 600)).save(tmp_path / "a.jpg", exif=exif, quality=95)
    pixels = PixelPicture(decode_image(tmp_path / "a.jpg"))
    bottom, right = (length - edge for length in (pixels.height, pixels.width))
    for top, left in ((0, 0), (bottom // 8 * 8, right // 8 * 8), (16, 24)):  # edges of pixels at every scale
        crop = EncodedPicture(tmp_path / "a.jpg").resized_crop((top, left, edge, edge), (32, 32), BILINEAR)
        assert psnr(crop, pixels.resized_crop((top, left, edge, edge), (32, 32), BILINEAR)) > 45


def test_turned_picture_of_odd_size_is_decoded_in_full(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(603, 601).save(tmp_path / "a.jpg", exif=exif)
    expected = PixelPicture(decode_image(tmp_path / "a.jpg")).resized_crop((3, 5, 590, 590), (32, 32), BILINEAR)
    crop = EncodedPicture(tmp_path / "a.jpg").resized_crop((3, 5, 590, 590), (32, 32), BILINEAR)
    assert torch.equal(crop, expected)


def test_picture_in_several_memory_blocks_is_cropped(tmp_path: Path) -> None:
    photo(8, 8).resize((2400, 2000)).save(tmp_path / "a.png", compress_level=0)
    whole = (0, 0, 2000, 2400)
    expected = PixelPicture(decode_image(tmp_path / "a.png")).resized_crop(whole, (8, 8), BILINEAR)
    assert torch.equal(EncodedPicture(tmp_path / "a.png").resized_crop(whole, (8, 8), BILINEAR), expected)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("edge", [20, 500])
def test_cut_file_is_corrupt_however_little_of_it_is_wanted(tmp_path: Path, share: float, edge: int) -> None:
    photo(600, 600).save(tmp_path / "a.jpg", quality=95)
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CorruptImage):
        EncodedPicture(tmp_path / "a.jpg").resized_crop((0, 0, edge, edge), (16, 16), BILINEAR)


def test_augmentation_draws_the_same_from_a_file_and_from_its_pixels(tmp_path: Path) -> None:
    photo(90, 120).save(tmp_path / "a.jpg")
    preprocessing = Preprocessing(resize=64, crop=(64, 64), mean=(0.5,) * 3, std=(0.5,) * 3)
    transform = build(preprocessing, StandardOptions())
    assert isinstance(transform, PictureTransform)
    for seed in range(8):
        reseed(seed)
        from_file = transform.from_picture(EncodedPicture(tmp_path / "a.jpg"))
        reseed(seed)
        assert torch.equal(transform(decode_image(tmp_path / "a.jpg")), from_file)


@pytest.mark.parametrize("edge", [80, 300, 590])
def test_compiled_or_not_a_file_gives_the_same_pixels(tmp_path: Path, edge: int) -> None:
    photo(603, 601).save(tmp_path / "a.jpg", quality=95)
    crops = []
    for on in (True, False):
        with native_code(on=on):
            crops.append(EncodedPicture(tmp_path / "a.jpg").resized_crop((5, 9, edge, edge), (40, 40), BILINEAR))
    assert torch.equal(*crops)
