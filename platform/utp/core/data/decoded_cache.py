"""The decoded cache: the pictures of a split, decoded and scaled down once, in one file that all loader processes map.

A picture that can't be decoded has no bytes in it: it is decoded from its file each time, so it counts as without.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
from torchvision.transforms.v2 import functional as F  # noqa: N812  (torchvision's own name for it)

from utp.core.data.bounds import Bounds
from utp.core.data.decode import open_image
from utp.core.data.manifest import Sample
from utp.core.data.picture import EncodedPicture
from utp.core.data.threads import map_in_threads
from utp.core.device import available_cores
from utp.core.durable import replacing
from utp.errors import ConfigError, CorruptImage, DatasetError, DatasetLeft

Progress = Callable[[int, int], None]

_log = logging.getLogger(__name__)

DEFAULT_EDGE = 256
"""Of the shorter edge, in pixels, where the config leaves it open."""

_DECODER = f"1 pillow {PIL.__version__} torch {torch.__version__}"
"""Goes into the name of a file: with other libraries, and by a change of this module, pixels may differ."""

_ROW = np.dtype([("offset", "<i8"), ("height", "<i4"), ("width", "<i4"), ("checksum", "<u4")])
"""A picture in the index behind the pixels: where its (height, width, 3) bytes begin, and their CRC-32."""

_FOOTER = struct.Struct("<8sqI")
"""The file's last bytes: magic, number of pictures, CRC-32 of the index."""

_MAGIC = b"utp-px1\n"

_SPOT_CHECKS = 16
"""Pictures whose checksum is compared when a file is opened; all of them would take as long as the first epoch."""


class DecodedCache:
    """The pictures of one split, by position in it; maps its file when a process first asks for a picture.

    Args:
        path: of the file; where there is none, every picture is decoded anew, to the same pixels.
        edge: length in pixels that the shorter edge of a larger picture is scaled to.
    """

    def __init__(self, path: Path, edge: int) -> None:
        self.path, self.edge = path, edge
        self._bytes: np.ndarray | None = None
        self._rows: np.ndarray | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "edge": self.edge, "_bytes": None, "_rows": None}

    def picture(self, index: int, file: Path, bounds: Bounds | None = None) -> torch.Tensor:
        """Return uint8 (3, h, w), channels-last, of the cache, or of `file` where it is not in there.

        Raises as `decode_image` does.
        """
        if self._rows is None:
            self._map()
        assert self._rows is not None
        offset, height, width, _ = self._rows[index].item() if index < len(self._rows) else (0, 0, 0, 0)
        if not height:
            return scaled_picture(file, self.edge, bounds)
        assert self._bytes is not None
        pixels = self._bytes[offset : offset + height * width * 3].reshape(height, width, 3)
        return torch.from_numpy(pixels).permute(2, 0, 1)

    def is_sound(self, num_pictures: int) -> bool:
        """Whether the file is there, whole, and holds so many pictures; a sample of them is compared bit for bit."""
        self._map()
        assert self._rows is not None
        if self._bytes is None or len(self._rows) != num_pictures:
            return False
        step = max(1, num_pictures // _SPOT_CHECKS)
        return all(self._is_intact(row) for row in (*self._rows[::step], *self._rows[-1:]))

    def _map(self) -> None:
        self._bytes, self._rows = None, np.empty(0, _ROW)
        try:
            # Copy on write: torch wants memory that it may write to; nothing does, so all processes share the pages.
            mapped = np.memmap(self.path, np.uint8, mode="c")
            magic, count, checksum = _FOOTER.unpack(mapped[-_FOOTER.size :].tobytes())
            index = mapped[: -_FOOTER.size][-count * _ROW.itemsize :].tobytes()
        except (OSError, ValueError, struct.error):
            return
        if magic == _MAGIC and len(index) == count * _ROW.itemsize and zlib.crc32(index) == checksum:
            self._bytes, self._rows = np.asarray(mapped), np.frombuffer(index, _ROW)

    def _is_intact(self, row: np.void) -> bool:
        assert self._bytes is not None
        offset, height, width, checksum = row.item()
        return not height or zlib.crc32(self._bytes[offset : offset + height * width * 3].data) == checksum


def scaled_picture(file: Path, edge: int, bounds: Bounds | None = None) -> torch.Tensor:
    """Return uint8 (3, h, w) whose shorter edge is `edge` or, of a smaller picture, its own; antialiased, bilinear."""
    picture = EncodedPicture(file, bounds)
    size = _scaled_size(picture.height, picture.width, edge)
    return picture.resized_crop((0, 0, picture.height, picture.width), size, F.InterpolationMode.BILINEAR)


def open_cache(
    samples: Sequence[Sample],
    root: Path,
    *,
    edge: int,
    directory: Path,
    mount: Path | None = None,
    on_progress: Progress | None = None,
) -> DecodedCache:
    """Return the cache of these samples, made now if it is not there whole; two processes make it once.

    Raises:
        DatasetLeft: a file lies outside of the dataset or the mount.
        ConfigError: the disk has not enough room.
        HostMemoryShort: memory ran out.
    """
    directory.mkdir(parents=True, exist_ok=True)
    cache = DecodedCache(directory / f"{_key(samples, edge)}.pixels", edge)
    if cache.is_sound(len(samples)):
        return cache
    with _locked(cache.path.with_suffix(".lock")):
        if not cache.is_sound(len(samples)):  # else another process made it meanwhile
            bounds = Bounds.of(root, mount)
            files = [bounds.root / sample.path for sample in samples]
            _check_space(files, edge, bounds, directory)
            _write(cache.path, files, edge, bounds, on_progress)
    return DecodedCache(cache.path, edge)


def list_caches(directory: Path) -> list[Path]:
    """Return the files of all caches, whole or left by a process that was killed."""
    return sorted(path for path in directory.glob("*") if ".pixels" in path.name) if directory.is_dir() else []


def _key(samples: Sequence[Sample], edge: int) -> str:
    facts = [_DECODER, edge, [sample.content_hash for sample in samples]]
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def _write(path: Path, files: Sequence[Path], edge: int, bounds: Bounds, on_progress: Progress | None) -> None:
    rows = np.zeros(len(files), _ROW)
    offset = 0
    with replacing(path) as temporary, temporary.open("wb") as out:
        for number, pixels in enumerate(_decoded(files, edge, bounds)):
            if pixels is not None:
                out.write(pixels.data)
                rows[number] = (offset, *pixels.shape[:2], zlib.crc32(pixels.data))
                offset += pixels.nbytes
            if on_progress is not None:
                on_progress(number + 1, len(files))
        index = rows.tobytes()
        out.write(index + _FOOTER.pack(_MAGIC, len(rows), zlib.crc32(index)))


def _decoded(files: Sequence[Path], edge: int, bounds: Bounds) -> Iterator[np.ndarray | None]:
    """Yield (h, w, 3) of each file in order, none for one that can't be decoded; holds few of them at a time."""
    num_threads = available_cores()  # threads suffice: Pillow and torch work outside Python's lock
    ahead = 8 * num_threads
    with ThreadPoolExecutor(num_threads) as pool:
        for start in range(0, len(files), ahead):
            yield from pool.map(lambda file: _pixels(file, edge, bounds), files[start : start + ahead])


def _pixels(file: Path, edge: int, bounds: Bounds) -> np.ndarray | None:
    try:
        return np.ascontiguousarray(scaled_picture(file, edge, bounds).permute(1, 2, 0).numpy())
    except DatasetLeft:
        raise
    except (CorruptImage, DatasetError):
        return None


def _check_space(files: Sequence[Path], edge: int, bounds: Bounds, directory: Path) -> None:
    needed = sum(map_in_threads(lambda file: _num_bytes(file, edge, bounds), files, available_cores()))
    free = shutil.disk_usage(directory).free
    if needed > free:
        problem = (
            f"decoded_cache: needs {needed} bytes in {directory}, where {free} are free; free some "
            "(`utp data cache --clear`), point UTP_CACHE_DIR elsewhere, lower cache_edge or leave decoded_cache out"
        )
        raise ConfigError((problem,))
    _log.info("decoded_cache: %d pictures take %d bytes in %s", len(files), needed, directory)


def _num_bytes(file: Path, edge: int, bounds: Bounds) -> int:
    """Return what a picture takes by its header: turned or not, it is the same."""
    try:
        image = open_image(file, bounds)
    except DatasetLeft:
        raise
    except (CorruptImage, DatasetError):
        return 0
    height, width = _scaled_size(image.height, image.width, edge)
    return 3 * height * width


def _scaled_size(height: int, width: int, edge: int) -> tuple[int, int]:
    shorter, longer = sorted((height, width))
    if shorter <= edge:
        return height, width
    scaled = int(edge * longer / shorter)  # as `Preprocessing` does: evaluation at this edge then resizes no more
    return (edge, scaled) if height <= width else (scaled, edge)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process in at a time; all of them on a file system without locks, where each makes the same file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            _log.info("no lock on %s (%s): another process may make the same cache", path, error.strerror)
        yield
    finally:
        os.close(descriptor)
