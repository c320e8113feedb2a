"""Crop, antialiased resize, flip and transposition of bytes in one compiled pass, to the bits of torch's kernel."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from functools import cache

import torch
from torch.nn.functional import interpolate

from utp.core.native.library import load_library

Box = tuple[int, int, int, int]
"""(top, left, height, width) in pixels."""

_IS_CUBIC = {"bilinear": 0, "bicubic": 1}

_log = logging.getLogger(__name__)


def resize_crop(
    pixels: torch.Tensor, box: Box, size: tuple[int, int], interpolation: str, *, flip: bool, is_plain: bool = False
) -> torch.Tensor | None:
    """Return the box of uint8 (3 or 4, H, W) as uint8 (3, *size); none where this is no case for the compiled piece.

    Args:
        pixels: laid out channels-last; a fourth channel is left out.
        box: lies within the picture.
        size: (height, width) of the result.
        interpolation: a value of torchvision's `InterpolationMode`.
        flip: whether left and right change sides.
        is_plain: do without the processor's vector instructions, for tests.
    """
    function = loaded_function()
    is_cubic = _IS_CUBIC.get(interpolation)
    channels, height, width = pixels.shape
    by_channel, by_row, by_pixel = pixels.stride()
    if function is None or is_cubic is None or pixels.dtype is not torch.uint8 or pixels.is_cuda:
        return None
    if channels not in (3, 4) or by_channel != 1 or by_pixel not in (3, 4) or by_row < width * by_pixel:
        return None
    out = torch.empty((3, *size), dtype=torch.uint8)
    status = function(
        *(pixels.data_ptr(), height, width, by_row, by_pixel),
        *box,
        *(out.data_ptr(), *size, is_cubic, flip, is_plain),
    )
    return out if status == 0 else None


@cache
def loaded_function() -> Callable[..., int] | None:
    """Return the compiled function, once it has given the pixels of this torch."""
    library = load_library("resize")
    if library is None:
        return None
    function = library.utp_resize_crop
    address, integer, flag = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
    picture = (address, integer, integer, integer, flag)
    function.argtypes = [*picture, *(4 * [integer]), address, integer, integer, flag, flag, flag]
    function.restype = flag
    if not _gives_torchs_pixels(function):
        _log.warning("the compiled resize gives other pixels than torch %s: it is not used", torch.__version__)
        return None
    return function


def _gives_torchs_pixels(function: Callable[..., int]) -> bool:
    """Compare with torch on one small picture: another version of torch may round otherwise."""
    # Not of torch's generator: a draw here would shift those of the run.
    picture = (torch.arange(37 * 29 * 3, dtype=torch.int64) * 48271 % 65537 % 256).to(torch.uint8).view(37, 29, 3)
    for interpolation, is_cubic in _IS_CUBIC.items():
        for size in ((16, 16), (48, 32)):
            batch = picture.permute(2, 0, 1)[None]
            expected = interpolate(batch, size, mode=interpolation, antialias=True)[0]
            found = torch.empty((3, *size), dtype=torch.uint8)
            box = (0, 0, 37, 29)
            function(picture.data_ptr(), 37, 29, 87, 3, *box, found.data_ptr(), *size, is_cubic, 0, 0)
            if not torch.equal(found, expected):
                return False
    return True
