"""`Thumbnails`: small WebPs of images, kept in the cache folder so that each is made once."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from utp.api.errors import FileRefused
from utp.api.pictures.decoder_process import ThumbnailDecoder

SIDES = (64, 160, 320, 640, 1024)
"""Pixels; what is asked for is rounded up to one of them, so that few are kept of each image."""
MAX_FILE_BYTES = 64 << 20
MAX_KEPT_PER_FOLDER = 500
"""Of 256 folders: 128,000 thumbnails at most, about 500 MB."""


class Thumbnails:
    """Makes and keeps thumbnails.

    Args:
        cache_dir: `settings.cache_dir`.
        decoder: makes them.
    """

    def __init__(self, cache_dir: Path, decoder: ThumbnailDecoder | None = None) -> None:
        self._folder = cache_dir / "thumbnails"
        self._decoder = decoder or ThumbnailDecoder()

    def get(self, file: BinaryIO, name: str, size: int) -> bytes:
        """Return the thumbnail of an opened file as WebP; closes the file. Raises `NotAPicture`, `FileRefused`."""
        side = next((side for side in SIDES if side >= size), SIDES[-1])
        with file:
            status = os.fstat(file.fileno())
            identity = f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {side}"
            key = hashlib.sha256(identity.encode()).hexdigest()
            place = self._folder / key[:2] / f"{key[2:]}.webp"
            with suppress(OSError):
                return place.read_bytes()
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise FileRefused(name)
        made = self._decoder.make(content, side)
        _keep(place, made)
        return made

    def close(self) -> None:
        """End the decoders."""
        self._decoder.close()


def _keep(place: Path, content: bytes) -> None:
    """Write a thumbnail and make room for it; a disk that refuses costs the next reader some milliseconds."""
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(place)
        kept = sorted(place.parent.iterdir(), key=lambda one: one.stat().st_mtime_ns)
        for old in kept[:-MAX_KEPT_PER_FOLDER]:
            old.unlink(missing_ok=True)
