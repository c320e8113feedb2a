"""Rows 40 and 43 of the fault matrix on the pictures themselves: awkward ones, bombs, and a host without memory."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support.noise_images import CONFIG, write_noise

from utp.core.data.corrupt import CorruptFile
from utp.core.device import resolve_compute
from utp.core.tasks.image_classification import build
from utp.errors import CorruptImage
from utp.settings import Settings

pytestmark = pytest.mark.fault

COMPUTE, _ = resolve_compute(CONFIG)
NOISE = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def write_png_bomb(path: Path) -> None:
    """Write a sound PNG of 30,000 x 30,000 black pixels, 2.7 GB decoded, without ever holding them."""
    line = bytes(1 + 3 * 30_000)
    packer = zlib.compressobj(wbits=-15)
    block = packer.compress(line * 1000) + packer.flush(zlib.Z_FULL_FLUSH)  # after a full flush blocks stand alone
    checksum = (30_000 * len(line) % 65521) << 16 | 1  # Adler-32 of zeros
    pixels = b"\x78\x9c" + block * 30 + b"\x03\x00" + struct.pack(">I", checksum)
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def write_png_promise(path: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b""))


def write_jpeg_promise(path: Path) -> None:
    Image.fromarray(NOISE).save(path, "jpeg")
    content = bytearray(path.read_bytes())
    size = content.index(b"\xff\xc0") + 5  # height and width of the frame header
    content[size : size + 4] = struct.pack(">HH", 60_000, 60_000)
    path.write_bytes(content)


def peak_bytes() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize("write", [write_png_bomb, write_png_promise, write_jpeg_promise])
def test_row_43_bomb_is_refused_by_its_header_while_memory_stays_flat(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write_noise(tmp_path / "data", {"a": 4, "b": 4}, {"a": 2})
    write(tmp_path / "data" / "train" / "a" / "bomb.png")
    task = build(CONFIG, Settings(DATASETS_DIR=tmp_path, UTP_CACHE_DIR=tmp_path / "cache"))
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before = peak_bytes()
        with pytest.raises(CorruptImage, match=r"its header promises [36]0000 x [36]0000 pixels"):
            list(task.train_batches(0, 0, COMPUTE))
        assert peak_bytes() - before < 50_000_000
    finally:
        task.close()


def write_awkward(folder: Path) -> None:
    """Write one picture of each kind that is sound, however odd."""
    picture, exif = Image.fromarray(NOISE), Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "png-named.jpg", "png")
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    picture.save(folder / "turned.jpg", exif=exif)
    Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257).save(folder / "16-bit.png")
    picture.convert("RGBA").quantize(16).save(folder / "palette.png", transparency=3)
    picture.save(folder / "animated.gif", save_all=True, append_images=[Image.fromarray(NOISE[::-1])])


def write_torn(folder: Path) -> None:
    """Write one file of each kind that is broken, beyond doubt."""
    Image.fromarray(NOISE).save(folder / "whole.jpg")
    content = (folder / "whole.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(content[: len(content) // 2])
    (folder / "zeros.jpg").write_bytes(bytes(len(content)))
    (folder / "flipped.jpg").write_bytes(bytes(255 - value for value in content))
    (folder / "whole.jpg").unlink()


@pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.process)])
def test_row_40_awkward_pictures_are_trained_on_and_broken_ones_counted(tmp_path: Path, num_workers: int) -> None:
    write_noise(tmp_path / "data", {"a": 2, "b": 2}, {"a": 1})
    write_awkward(tmp_path / "data" / "train" / "a")
    write_torn(tmp_path / "data" / "train" / "b")
    config = replace(CONFIG, on_corrupt="skip", max_corrupt_share=0.5, num_workers=num_workers)
    found: list[CorruptFile] = []
    task = build(config, Settings(DATASETS_DIR=tmp_path, UTP_CACHE_DIR=tmp_path / "cache"))
    try:
        task.watch_corrupt_files(found.append)
        seen = [index for batch in task.train_batches(0, 0, COMPUTE) for index in batch.indices.tolist()]
    finally:
        task.close()
    paths = [sample.path for sample in task.splits["train"]]
    assert {file.path for file in found} == {f"train/b/{name}.jpg" for name in ("half", "zeros", "flipped")}
    assert {paths[index] for index in seen} == set(paths) - {file.path for file in found}
    assert len(seen) == len(paths)


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import psutil
from PIL import Image
from utp.core.data.dataset import ImageFiles, Key
from utp.core.data.transforms import Preprocessing

folder = Path(sys.argv[1])
names = sorted(path.name for path in folder.iterdir())
preprocessing = Preprocessing(resize=8, crop=(8, 8), mean=(0.5,) * 3, std=(0.5,) * 3)
images = ImageFiles(names, [0] * len(names), folder, preprocessing.eval_transform, seed=None, skips_corrupt=True)
Image.init()
room = psutil.Process().memory_info().vms + 25_000_000
resource.setrlimit(resource.RLIMIT_AS, (room, room))
for index, name in enumerate(names):
    result = images.__getitems__([Key(0, index)])
    print(name, getattr(result, "kind", ""), [reason for _, reason in getattr(result, "corrupt", ())])
"""


@pytest.mark.process
def test_row_40_host_without_memory_is_not_taken_for_a_corrupt_file(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png", "c.tiff", "d.gif", "e.webp"):
        Image.new("RGB", (3000, 3000)).save(tmp_path / name, **({"compression": "tiff_lzw"} if "tiff" in name else {}))
    (tmp_path / "f.png").write_bytes(b"")
    command = [sys.executable, "-W", "ignore", "-c", SHORT_OF_MEMORY, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert found == [
        *(f"{name} oom_host []" for name in ("a.jpg", "b.png", "c.tiff", "d.gif", "e.webp")),
        "f.png  ['the file is empty']",
    ]
