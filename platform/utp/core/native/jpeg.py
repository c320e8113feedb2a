"""Decodes a part of a JPEG through libjpeg-turbo, to the pixels that Pillow gives; declines what is not simple."""

from __future__ import annotations

import ctypes
import io
import logging
from functools import cache

import numpy as np
import PIL
import torch
from PIL import Image

from utp.core.native.library import load_library

Box = tuple[int, int, int, int]
"""(top, left, height, width) in pixels."""

_START, _END = b"\xff\xd8\xff", b"\xff\xd9"

_log = logging.getLogger(__name__)


def simple_size(content: bytes) -> tuple[int, int] | None:
    """Return (height, width) of a file that `decode_part` takes, or none.

    A file that does not end as a JPEG does may be cut, which decoding a part would not show: that is left to Pillow.
    """
    library = loaded_library()
    if library is None or not (content.startswith(_START) and content.endswith(_END)):
        return None
    height, width = ctypes.c_int64(), ctypes.c_int64()
    if library.utp_jpeg_size(content, len(content), ctypes.byref(height), ctypes.byref(width)) != 0:
        return None
    return height.value, width.value


def decode_part(content: bytes, box: Box, divisor: int) -> torch.Tensor | None:
    """Return the box, in pixels of the picture at 1/divisor, as uint8 (3, h, w), channels-last; none where it declines.

    It does on whatever libjpeg warns of: then Pillow decides what the file is worth.
    """
    library = loaded_library()
    return None if library is None else _decode(library, content, box, divisor)


def decoder_name() -> str:
    """Return which library decodes simple JPEGs."""
    library = loaded_library()
    return f"pillow {PIL.__version__}" if library is None else f"{library.utp_jpeg_library().decode()}, in part"


def _decode(library: ctypes.CDLL, content: bytes, box: Box, divisor: int) -> torch.Tensor | None:
    top, left, height, width = box
    out = torch.empty((height, width, 3), dtype=torch.uint8)
    if library.utp_jpeg_decode(content, len(content), divisor, top, left, height, width, out.data_ptr()) != 0:
        return None
    return out.permute(2, 0, 1)


@cache
def loaded_library() -> ctypes.CDLL | None:
    """Return the compiled library, once it has given Pillow's own pixels."""
    library = load_library("jpeg")
    if library is None:
        return None
    address, integer, flag = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
    number = ctypes.POINTER(integer)
    library.utp_jpeg_library.restype = ctypes.c_char_p
    library.utp_jpeg_size.argtypes = [ctypes.c_char_p, integer, number, number]
    library.utp_jpeg_decode.argtypes = [ctypes.c_char_p, integer, flag, *(4 * [integer]), address]
    if not _gives_pillows_pixels(library):
        _log.warning("libjpeg gives other pixels than Pillow %s: it is not used", PIL.__version__)
        return None
    return library


def _gives_pillows_pixels(library: ctypes.CDLL) -> bool:
    """Compare with Pillow on a small picture: so a run goes on to the same pixels on a machine without the library."""
    noise = np.random.default_rng(0).integers(0, 256, (13, 17, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((200, 150), Image.Resampling.BICUBIC).save(buffer, "JPEG", subsampling=2, quality=95)
    for divisor in (1, 2, 4, 8):
        picture = Image.open(buffer)
        picture.draft(None, (200 // divisor, 150 // divisor))
        expected = np.asarray(picture)[3:15, 5:20]
        found = _decode(library, buffer.getvalue(), (3, 5, 12, 15), divisor)
        if found is None or not np.array_equal(found.permute(1, 2, 0).numpy(), expected):
            return False
    return True
