"""Decoding: awkward but sound files come out upright and whole, broken ones are named."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from utp.core.data.decode import MAX_PIXELS, decode_image
from utp.errors import CorruptImage, DatasetError, HostMemoryShort

GRADIENT = np.linspace(0, 255, 40 * 30).reshape(30, 40).astype(np.uint8)


def picture() -> Image.Image:
    """40 x 30, different in each corner and channel."""
    return Image.fromarray(np.stack([GRADIENT, GRADIENT[::-1], GRADIENT[:, ::-1]], axis=-1))


def pixels(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def distance(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first.float() - second.float()).abs().mean())


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "gif"])
def test_lossless_format_keeps_every_pixel(tmp_path: Path, suffix: str) -> None:
    image = picture().quantize(64).convert("RGB") if suffix == "gif" else picture()
    image.save(tmp_path / f"a.{suffix}")
    decoded = decode_image(tmp_path / f"a.{suffix}")
    assert decoded.dtype == torch.uint8
    assert torch.equal(decoded, pixels(image))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_of_any_colour_space_is_rgb(tmp_path: Path, mode: str) -> None:
    image = picture().convert(mode)
    image.save(tmp_path / "a.jpg", quality=98, subsampling=0) if mode != "CMYK" else image.save(tmp_path / "a.jpg")
    assert distance(decode_image(tmp_path / "a.jpg"), pixels(image)) < 4


def test_webp_is_decoded(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.webp", lossless=True)
    assert torch.equal(decode_image(tmp_path / "a.webp"), pixels(picture()))


def test_file_with_the_wrong_extension_is_decoded(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert torch.equal(decode_image(tmp_path / "a.jpg"), pixels(picture()))


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_values_are_scaled_and_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 255, 257, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    assert decode_image(tmp_path / f"a.{suffix}")[0].tolist() == [[0, 1, 1, 128, 255]]


def test_1_bit_picture_is_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(GRADIENT).convert("1").save(tmp_path / "a.png")
    assert set(decode_image(tmp_path / "a.png").unique().tolist()) == {0, 255}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_lie_on_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    image.convert(mode).save(tmp_path / "a.png")
    assert decode_image(tmp_path / "a.png")[:, 0].T.tolist() == [[0, 0, 0], [255, 255, 255]]


def test_palette_with_transparency_table_does_not_warn(tmp_path: Path) -> None:
    image = picture().quantize(8)
    image.save(tmp_path / "a.png", transparency=bytes([0, 128, 255, 255, 255, 255, 255, 255]))
    assert decode_image(tmp_path / "a.png").shape == (3, 30, 40)


def test_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue])
    assert decode_image(tmp_path / "a.gif")[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp"])
def test_exif_orientation_is_applied_once(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    upright = Image.new("L", (8, 16), 0)
    upright.paste(255, (0, 0, 8, 8))
    options = {"lossless": True} if suffix == "webp" else {}
    upright.rotate(90, expand=True).convert("RGB").save(tmp_path / f"a.{suffix}", exif=exif, **options)
    decoded = decode_image(tmp_path / f"a.{suffix}").float()
    assert decoded.shape == (3, 16, 8)
    assert decoded[:, :8].mean() > 250
    assert decoded[:, 8:].mean() < 5


def test_broken_exif_beside_sound_pixels_is_ignored(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03")
    assert decode_image(tmp_path / "a.jpg").shape == (3, 30, 40)


def reason(path: Path) -> str:
    with pytest.raises(CorruptImage) as caught:
        decode_image(path)
    assert caught.value.path == str(path)
    return caught.value.reason


def test_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert reason(tmp_path / "a.jpg") == "the file is empty"


def test_text_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("<html>404 not found</html>")
    assert "it is no image" in reason(tmp_path / "a.jpg")


def test_folder_named_like_an_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").mkdir()
    assert "can't be read" in reason(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tiff", "gif", "webp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_cut_file_never_gives_a_picture(tmp_path: Path, suffix: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    noise.save(tmp_path / f"a.{suffix}")
    content = (tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(content[: int(len(content) * share)])
    assert reason(tmp_path / f"a.{suffix}")


def test_flipped_bytes_give_a_picture_or_corrupt_image_and_nothing_else(tmp_path: Path) -> None:
    rng = random.Random(0)
    refused = 0
    for suffix in ("jpg", "png", "bmp", "tiff", "gif", "webp"):
        buffer = io.BytesIO()
        picture().save(buffer, {"jpg": "jpeg"}.get(suffix, suffix))
        for _ in range(120):
            content = bytearray(buffer.getvalue())
            for _ in range(rng.randint(1, 6)):
                content[rng.randrange(min(len(content), 400))] = rng.randrange(256)
            (tmp_path / "a").write_bytes(content)
            try:
                assert decode_image(tmp_path / "a").shape[0] == 3
            except CorruptImage:
                refused += 1
    assert refused > 50


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(b"\0")
    chunks = [
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (body, idat, b"IEND")
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.fault  # row 43
def test_header_that_promises_too_much_is_refused_before_decoding(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_header(30_000, 30_000))
    assert reason(tmp_path / "a.png") == f"its header promises 30000 x 30000 pixels, more than {MAX_PIXELS}"


def test_large_but_allowed_header_does_not_warn(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_header(10_000, 10_000))
    assert "truncated" in reason(tmp_path / "a.png")


def test_missing_file_says_that_the_dataset_changed(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="changed while it was in use"):
        decode_image(tmp_path / "gone.jpg")


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.gif", save_all=True, append_images=[picture()])
    (tmp_path / "b.tiff").write_bytes(b"II*\0")
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    for _ in range(5):
        decode_image(tmp_path / "a.gif")
        reason(tmp_path / "b.tiff")
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before


def test_corrupt_image_reads_as_a_sentence_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(CorruptImage, match=r"a\.jpg can't be decoded: the file is empty\. Replace or delete"):
        decode_image(tmp_path / "a.jpg")


@pytest.mark.data
@pytest.mark.parametrize("name", ["Landscape", "Portrait"])
def test_real_photo_in_all_orientations_is_the_same_picture(real_data: Callable[[str], Path], name: str) -> None:
    folder = real_data("awkward_jpegs") / "exif_orientation"
    reference = decode_image(folder / f"{name}_1.jpg")
    for orientation in range(9):
        decoded = decode_image(folder / f"{name}_{orientation}.jpg")
        assert decoded.shape == reference.shape
        assert distance(decoded, reference) < 5, orientation


@pytest.mark.data
def test_real_awkward_photos_all_decode_but_the_truncated_one(real_data: Callable[[str], Path]) -> None:
    photos = sorted((real_data("awkward_jpegs") / "camera_trap").glob("*.jpg"))
    assert len(photos) == 13
    for photo in photos:
        if "truncated" in photo.name:
            assert "the file is truncated" in reason(photo)
        else:
            assert decode_image(photo).float().std() > 5, photo.name


@pytest.mark.data
def test_real_variants_of_one_photo_agree(real_data: Callable[[str], Path]) -> None:
    folder = real_data("awkward_jpegs") / "camera_trap"
    original = decode_image(folder / "african_elephants.jpg")
    gray = original.float().mean(dim=0, keepdim=True)
    assert distance(decode_image(folder / "african_elephants_cmyk.jpg"), original) < 12  # another ink profile
    assert distance(decode_image(folder / "african_elephants_bw.jpg"), gray) < 12
    assert distance(decode_image(folder / "african_elephants_with_exif_orientation.jpg"), original) < 4


def test_memory_error_of_a_header_is_the_files_fault_and_of_sound_pixels_the_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise MemoryError

    picture().save(tmp_path / "a.jpg")
    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", refuse)
        assert reason(tmp_path / "a.jpg") == "MemoryError"
    monkeypatch.setattr(Image.Image, "load", refuse)
    monkeypatch.setattr(JpegImageFile, "load", refuse)
    with pytest.raises(
        HostMemoryShort, match=r"a\.jpg was decoded \(40 x 30 pixels\); the file is sound\. Lower num_w"
    ):
        decode_image(tmp_path / "a.jpg")
