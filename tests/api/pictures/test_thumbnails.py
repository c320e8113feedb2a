"""Thumbnails are made once, apart from the server, and a hostile image costs one decoder at most."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from utp.api.errors import NotAPicture
from utp.api.pictures import decoder_process
from utp.api.pictures.decoder_process import ThumbnailDecoder
from utp.api.pictures.thumbnails import Thumbnails
from utp.entrypoints.thumbnailer import make_thumbnail

pytestmark = pytest.mark.process


@pytest.fixture
def thumbnails(tmp_path: Path) -> Iterator[Thumbnails]:
    thumbnails = Thumbnails(tmp_path / "cache", ThumbnailDecoder(num_processes=1))
    yield thumbnails
    thumbnails.close()


def picture(folder: Path, mode: str = "RGB", suffix: str = "png", size: tuple[int, int] = (300, 200)) -> Path:
    path = folder / f"{mode}.{suffix}"
    Image.new(mode, size).save(path)
    return path


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_thumbnail_is_a_webp_of_the_next_size_and_is_made_once(thumbnails: Thumbnails, tmp_path: Path) -> None:
    path = picture(tmp_path)
    first = thumbnails.get(path.open("rb"), "a", 100)
    with Image.open(io.BytesIO(first)) as image:
        assert (image.format, image.size) == ("WEBP", (160, 107))
    (kept,) = (tmp_path / "cache").rglob("*.webp")
    kept.write_bytes(b"kept")
    assert thumbnails.get(path.open("rb"), "a", 160) == b"kept"
    picture(tmp_path, size=(301, 200))
    assert thumbnails.get(path.open("rb"), "a", 160) != b"kept"


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "jpg"), ("CMYK", "jpg"), ("RGBA", "png"), ("P", "gif"), ("1", "png"), ("I;16", "png")]
)
def test_every_kind_of_pixel_is_shown(tmp_path: Path, mode: str, suffix: str) -> None:
    made = make_thumbnail(picture(tmp_path, mode, suffix).read_bytes(), 64)
    with Image.open(io.BytesIO(made)) as image:
        assert image.size[0] == 64


def test_bomb_garbage_and_truncated_files_are_refused_and_the_next_image_is_made(
    thumbnails: Thumbnails, tmp_path: Path
) -> None:
    path = tmp_path / "x.png"
    for content in (bomb(30_000, 30_000), b"garbage", b"", picture(tmp_path).read_bytes()[:60]):
        path.write_bytes(content)
        with pytest.raises(NotAPicture):
            thumbnails.get(path.open("rb"), "x", 64)
    assert thumbnails.get(picture(tmp_path).open("rb"), "a", 64)


def test_decoder_that_dies_or_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_process, "MAX_TIME_S", 0.2)
    for program in ("raise SystemExit", "import time; time.sleep(60)"):
        decoder = ThumbnailDecoder((sys.executable, "-c", program), 1)
        for _ in range(2):
            with pytest.raises(NotAPicture, match="gave up"):
                decoder.make(b"x" * 100_000, 64)
        decoder.close()
