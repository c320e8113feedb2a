"""Decodes one image file to RGB pixels, upright and whole, or says why it can't."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, UnidentifiedImageError

from utp.core.data.bounds import Bounds
from utp.errors import CorruptImage, DatasetError, HostMemoryShort

MAX_PIXELS = 178_956_970
"""Pixels of the largest picture that is decoded, 512 MiB as RGB: the size at which Pillow itself refuses."""

# Other decoders of Pillow are never asked: some start programs (EPS) and none of them holds photographs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")

# Pillow's own check warns at half of MAX_PIXELS and counts at twice; ours is exact and comes before decoding.
Image.MAX_IMAGE_PIXELS = None

_FAULTS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError,
    AttributeError, AssertionError, NotImplementedError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's parsers raise on bytes that are not what they promise."""

_WEBP_PIXELS = 4096 * 4096
"""WebP takes memory for its canvas with the header, and says no reason: with no room for so many, memory is short."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to the turn that undoes it (EXIF 2.32, tag 0x0112)."""


class _QuietPillow:
    """Ignores Pillow's warnings while any thread is inside: what is wrong with a file is raised or does not matter.

    `warnings.catch_warnings` alone swaps state of the whole process, and threads that overlap leave it swapped.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_inside = 0
        self._saved: warnings.catch_warnings[None] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._num_inside == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._num_inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._num_inside -= 1
            if self._num_inside == 0 and self._saved is not None:
                self._saved.__exit__(None, None, None)


_quiet_pillow = _QuietPillow()


def decode_image(path: Path, bounds: Bounds | None = None) -> torch.Tensor:
    """Return the picture as uint8 (3, H, W) RGB with its EXIF orientation applied; its first frame if it has several.

    Memory is laid out channels-last, on which torchvision's antialiased resize is 5 to 18 times faster.
    Transparent pixels lie on white, as a viewer sees them; 16-bit values are scaled to 8 bits.

    Raises:
        CorruptImage: the file is empty, truncated, no image, or promises more than `MAX_PIXELS`.
        DatasetError: the file is gone, or lies outside of `bounds`.
        HostMemoryShort: the file is sound, and there is no room for its pixels.
    """
    image = open_image(path, bounds)
    with faults_of(path, image):
        pixels = np.array(to_rgb(upright(image)))
    return torch.from_numpy(pixels).permute(2, 0, 1)


@contextmanager
def faults_of(path: Path, image: Image.Image) -> Iterator[None]:
    """Turn whatever Pillow raises on the file's bytes into `CorruptImage`, and a want of memory `HostMemoryShort`.

    The header of `image` is sound by now and its size within the limit: memory that is refused is not the file's fault.
    """
    try:
        with _quiet_pillow:
            yield
    except MemoryError as error:
        raise HostMemoryShort(str(path), f"{image.width} x {image.height} pixels") from error
    except _FAULTS as error:
        # Pillow's word for both a header that asks for absurd tiles and malloc's refusal, in TIFF: so ask malloc.
        if "out of memory" in str(error) and not _has_room_for(image.width * image.height):
            raise HostMemoryShort(str(path), f"{image.width} x {image.height} pixels") from error
        raise CorruptImage(str(path), _reason(error)) from error


def _has_room_for(num_pixels: int) -> bool:
    """Whether so many decoded pixels and a copy fit into memory; takes the address space alone, for a moment."""
    try:
        bytearray(8 * num_pixels)
    except MemoryError:
        return False
    return True


def open_image(path: Path, bounds: Bounds | None = None) -> Image.Image:
    """Read the file and parse its header; no descriptor stays open.

    Raises `CorruptImage`, `DatasetError`, `HostMemoryShort`.
    """
    return parse_image(path, read_image_file(path, bounds))


def read_image_file(path: Path, bounds: Bounds | None = None) -> bytes:
    """Return the bytes of the file, at least one. Raises as `open_image` does."""
    try:
        with path.open("rb") as file:
            if bounds is not None:
                bounds.check_open(path, file.fileno())
            content = file.read()
    except MemoryError as error:
        raise HostMemoryShort(str(path), "its bytes") from error
    except FileNotFoundError as error:
        problem = "the file is gone: the dataset changed while it was in use. Put the file back, or start a new run"
        raise DatasetError(str(path), problem) from error
    except OSError as error:
        raise CorruptImage(str(path), f"the file can't be read ({error.strerror})") from error
    if not content:
        raise CorruptImage(str(path), "the file is empty")
    return content


def parse_image(path: Path, content: bytes) -> Image.Image:
    """Parse the header of the file's bytes. Raises as `open_image` does."""
    try:
        with _quiet_pillow:
            image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise CorruptImage(str(path), f"it is no image in any of the formats {', '.join(FORMATS)}") from error
    except (*_FAULTS, MemoryError) as error:  # a header needs no memory worth the name: it asks for the absurd
        if "create decoder" in str(error) and not _has_room_for(_WEBP_PIXELS):
            raise HostMemoryShort(str(path), "its canvas") from error
        raise CorruptImage(str(path), _reason(error)) from error
    if image.width * image.height > MAX_PIXELS:
        promise = f"its header promises {image.width} x {image.height} pixels, more than {MAX_PIXELS}"
        raise CorruptImage(str(path), promise)
    return image


def upright(image: Image.Image) -> Image.Image:
    """Decode the pixels and undo the EXIF orientation."""
    image.load()  # first: TIFF applies its own orientation here
    turn = exif_turn(image)
    return image if turn is None else image.transpose(turn)


def exif_turn(image: Image.Image) -> Image.Transpose | None:
    """Return what sets the stored picture upright; none where it already is, or where nothing sound is said."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _FAULTS:  # broken metadata beside sound pixels
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def to_rgb(image: Image.Image) -> Image.Image:
    """Return decoded pixels in mode RGB: 16-bit values scaled, transparent ones on white."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(
            f"its pixels are 32-bit numbers (mode {image.mode}) with no defined white; store it as 8 or 16 bit"
        )
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Scale 0..65535 to 0..255, rounded; Pillow's own conversion clips at 255 and gives white."""
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _reason(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return f"the file is truncated ({text})" if "truncated" in text.lower() else text
