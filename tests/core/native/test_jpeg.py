"""A part of a JPEG has the pixels that Pillow gives for it; what is not simple or not sound is left to Pillow."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.support.native_code import native_code
from torchvision.transforms.v2 import functional as F  # noqa: N812

from utp.core.data.picture import EncodedPicture
from utp.core.native import jpeg
from utp.core.native.build import FOLDER
from utp.core.native.library import problem_of
from utp.errors import CorruptImage

needs_library = pytest.mark.skipif(bool(problem_of("jpeg")), reason=f"compiled JPEG decoder: {problem_of('jpeg')}")
BILINEAR = F.InterpolationMode.BILINEAR


def photo(height: int, width: int, seed: int = 0) -> Image.Image:
    picture, rng = np.zeros((height, width, 3)), np.random.default_rng(seed)
    for cells in (4, 16, 64):
        noise = rng.uniform(0, 85, (cells, cells, 3)).astype(np.uint8)
        picture += np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def encoded(picture: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", **options)
    return buffer.getvalue()


SOUND = encoded(photo(90, 120), quality=90)


@needs_library
@pytest.mark.parametrize("subsampling", [0, 1, 2, "grey"])
@pytest.mark.parametrize("divisor", [1, 2, 4, 8])
def test_part_at_every_scale_is_pillows_to_the_bit(subsampling: int | str, divisor: int) -> None:
    rng = random.Random(f"{subsampling} {divisor}")
    for case in range(6):
        picture = photo(rng.randint(8, 300), rng.randint(8, 300), case)
        if subsampling == "grey":
            content = encoded(picture.convert("L"))
        else:
            content = encoded(picture, subsampling=subsampling, restart_marker_blocks=case % 3 * 2, quality=95 - case)
        whole = Image.open(io.BytesIO(content))
        whole.draft(None, (whole.width // divisor, whole.height // divisor))
        expected = np.asarray(whole.convert("RGB"))
        for _ in range(8):
            height, width = rng.randint(1, expected.shape[0]), rng.randint(1, expected.shape[1])
            top, left = rng.randint(0, expected.shape[0] - height), rng.randint(0, expected.shape[1] - width)
            found = jpeg.decode_part(content, (top, left, height, width), divisor)
            assert found is not None
            part = expected[top : top + height, left : left + width]
            assert np.array_equal(found.permute(1, 2, 0).numpy(), part), (case, top, left, height, width)


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(photo(90, 120), exif=exif)


@needs_library
@pytest.mark.parametrize(
    "content",
    [
        encoded(photo(90, 120), progressive=True),
        encoded(photo(90, 120).convert("CMYK")),
        encoded(photo(90, 120), keep_rgb=True),
        turned(),
        SOUND[:-2],
        SOUND + b"appended",
        SOUND[:300] + b"\xff\xd9",
        SOUND[:-90] + b"\xff\xc0" + SOUND[-90:],
        b"\xff\xd8\xff\xd9",
        b"",
        b"\x89PNG",
    ],
    ids=[
        "progressive",
        "CMYK",
        "RGB",
        "turned",
        "no end",
        "appended",
        "cut in the header",
        "marker in the scan",
        "hollow",
        "empty",
        "PNG",
    ],
)
def test_what_is_not_simple_is_left_to_pillow(content: bytes) -> None:
    assert jpeg.simple_size(content) is None


@needs_library
@pytest.mark.parametrize(
    ("box", "divisor"),
    [((0, 0, 91, 10), 1), ((0, 111, 10, 10), 1), ((40, 0, 10, 10), 2), ((-1, 0, 4, 4), 1), ((0, 0, 4, 4), 3)],
)
def test_box_beyond_the_picture_is_declined(box: jpeg.Box, divisor: int) -> None:
    assert jpeg.decode_part(SOUND, box, divisor) is None


@needs_library
def test_file_that_libjpeg_warns_of_gives_pillows_pixels(tmp_path: Path) -> None:
    middle = len(SOUND) * 2 // 3
    content = SOUND[:middle] + b"\xff\xd9"  # cut, with an end: Pillow fills up with grey
    (tmp_path / "a.jpg").write_bytes(content)
    assert jpeg.simple_size(content) == (90, 120)
    assert jpeg.decode_part(content, (0, 0, 90, 120), 1) is None
    expected = torch.from_numpy(np.array(Image.open(io.BytesIO(content)))).permute(2, 0, 1)
    found = EncodedPicture(tmp_path / "a.jpg").resized_crop((0, 0, 90, 120), (90, 120), BILINEAR)
    assert torch.equal(found, expected)


def test_both_decoders_are_named() -> None:
    with native_code(on=False):
        assert jpeg.decoder_name().startswith("pillow ")
        assert jpeg.simple_size(SOUND) is None
        assert jpeg.decode_part(SOUND, (0, 0, 9, 9), 1) is None


@needs_library
def test_libjpeg_that_gives_other_pixels_than_pillow_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    decode = jpeg._decode
    monkeypatch.setattr(jpeg, "_decode", lambda *args: decode(*args).add(1))
    jpeg.loaded_library.cache_clear()
    assert jpeg.loaded_library() is None
    assert "libjpeg gives other pixels than Pillow" in caplog.text
    monkeypatch.undo()
    jpeg.loaded_library.cache_clear()


def outcome(path: Path) -> torch.Tensor | type[Exception]:
    try:
        picture = EncodedPicture(path)
        return picture.resized_crop((0, 0, picture.height // 2 + 1, picture.width // 2 + 1), (20, 20), BILINEAR)
    except CorruptImage as error:
        return type(error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@needs_library
@settings(max_examples=60, deadline=None)
@given(
    damage=st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=4),
    length=st.one_of(st.just(len(SOUND)), st.integers(1, len(SOUND))),
)
def test_damaged_pixels_are_no_crash_and_a_cut_file_stays_corrupt(
    folder: Path, damage: list[tuple[int, int]], length: int
) -> None:
    content = bytearray(SOUND)
    scan = content.index(b"\xff\xda") + 14  # what comes before it, Pillow and libjpeg may read with other strictness
    for position, value in damage:
        if position >= scan:
            content[position] = value
    (folder / "a.jpg").write_bytes(content[:length])
    found = outcome(folder / "a.jpg")
    with native_code(on=False):
        expected = outcome(folder / "a.jpg")
    is_picture = isinstance(found, torch.Tensor) and isinstance(expected, torch.Tensor)
    same = torch.equal(found, expected) if is_picture else found is expected
    assert same


@pytest.mark.slow
@pytest.mark.process
@needs_library
def test_damaged_files_touch_no_memory_that_is_not_theirs(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    flags = ["-g", "-O1", "-std=c11", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    names = ("jpeg", "huffman", "resize")
    for name in names:
        source = [f"-Dutp_source_hash={name}_hash", "-c", str(FOLDER / f"{name}.c"), "-o", str(tmp_path / f"{name}.o")]
        subprocess.run(["gcc", *flags, *source], check=True)
    objects = [str(tmp_path / f"{name}.o") for name in names]
    driver = Path(__file__).with_name("fuzz_driver.c")
    linked = subprocess.run(
        ["gcc", *flags, str(driver), *objects, "-o", str(tmp_path / "fuzz"), "-ljpeg", "-lm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if linked.returncode != 0:
        pytest.skip(f"no AddressSanitizer: {linked.stderr.splitlines()[-1]}")
    for number, content in enumerate(
        [SOUND, encoded(photo(61, 83), subsampling=0, restart_marker_blocks=2), encoded(photo(40, 300).convert("L"))]
    ):
        (tmp_path / "a.jpg").write_bytes(content)
        done = subprocess.run(
            [str(tmp_path / "fuzz"), str(tmp_path / "a.jpg"), str(number), "1500"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        num_decoded, num_declined = map(int, done.stdout.split())
        assert num_decoded > 100
        assert num_declined > 100
