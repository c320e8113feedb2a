"""Pictures as an augmentation takes them: it draws its crop from their size, then no more than the crop is decoded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow
import torch
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from torch.nn.functional import interpolate
from torch.utils.dlpack import from_dlpack
from torchvision.transforms.v2 import functional as F  # noqa: N812  (torchvision's own name for it)

from utp.core.data.bounds import Bounds
from utp.core.data.decode import MAX_PIXELS, exif_turn, faults_of, parse_image, read_image_file, to_rgb, upright
from utp.core.native.jpeg import decode_part, simple_size
from utp.core.native.resize import resize_crop

Box = tuple[int, int, int, int]
"""(top, left, height, width) in pixels of the upright picture."""

_BYTE_KERNELS = (F.InterpolationMode.BILINEAR, F.InterpolationMode.BICUBIC)

_DCT_SCALES = (8, 4, 2)
"""Divisors at which libjpeg decodes in less time."""

_DCT_MARGIN = 2
"""A crop keeps at least so many times the pixels that are wanted, per side. At 1, sharp photos came to 34 dB."""


class Picture(Protocol):
    """An upright RGB picture that gives parts of itself."""

    @property
    def height(self) -> int:
        """In pixels."""
        ...

    @property
    def width(self) -> int:
        """In pixels."""
        ...

    def resized_crop(
        self, box: Box, size: tuple[int, int], interpolation: F.InterpolationMode, *, flip: bool = False
    ) -> torch.Tensor:
        """Return the box as uint8 (3, *size), antialiased; with `flip`, left and right change sides."""
        ...


@runtime_checkable
class PictureTransform(Protocol):
    """A transform that takes what it needs of a picture, in place of all its pixels."""

    def from_picture(self, picture: Picture) -> torch.Tensor:
        """Return uint8 (3, s, s)."""
        ...


class PixelPicture:
    """A picture whose pixels are there: uint8 (3, H, W)."""

    def __init__(self, pixels: torch.Tensor) -> None:
        self.pixels = pixels
        self.height, self.width = pixels.shape[-2:]

    def resized_crop(
        self, box: Box, size: tuple[int, int], interpolation: F.InterpolationMode, *, flip: bool = False
    ) -> torch.Tensor:
        """Return the box as uint8 (3, *size), antialiased; with `flip`, left and right change sides."""
        return _resized_crop(self.pixels, box, size, interpolation, flip=flip)


class EncodedPicture:
    """An image file whose size is known and whose pixels wait for the crop; raises as `decode_image` does.

    A large JPEG is decoded at 1/2, 1/4 or 1/8, straight from its frequencies: over 45 dB from decoding all of it and
    resizing. The edges of the box are moved by at most half of the divisor then, so that they are edges of pixels at
    that scale too: cropping half a pixel beside costs more than the scaling does.
    """

    def __init__(self, path: Path, bounds: Bounds | None = None) -> None:
        self._path = path
        self._content = read_image_file(path, bounds)
        self._turn: Image.Transpose | None = None
        self._image: Image.Image | None = None
        size = simple_size(self._content)
        if size is not None and math.prod(size) <= MAX_PIXELS:
            self.height, self.width = size
        else:
            self.height, self.width = self._open()

    def resized_crop(
        self, box: Box, size: tuple[int, int], interpolation: F.InterpolationMode, *, flip: bool = False
    ) -> torch.Tensor:
        """Return the box as uint8 (3, *size), antialiased, as `Picture` says; once: the file is decoded for it."""
        divisor = next((s for s in _DCT_SCALES if self._is_enough(s, box, size)), 1)
        pixels, box = self._decode_part(box, divisor) or self._decode(box, divisor)
        return _resized_crop(pixels, box, size, interpolation, flip=flip)

    def _open(self) -> tuple[int, int]:
        """Have Pillow read the header, and return the upright height and width."""
        image = parse_image(self._path, self._content)
        with faults_of(self._path, image):
            if isinstance(image, JpegImageFile):
                self._turn = exif_turn(image)
            else:  # only JPEG says all before its pixels, and can be decoded in part
                image = to_rgb(upright(image))
        self._image = image
        return image.size if self._turn in _TRANSPOSED else image.size[::-1]

    def _decode_part(self, box: Box, divisor: int) -> tuple[torch.Tensor, Box] | None:
        """Return the box alone, uint8 (3, h, w), and where in it the box is; none where Pillow has to decode."""
        if self._image is not None:
            return None
        box = _divide(box, divisor, -(-self.height // divisor), -(-self.width // divisor))
        pixels = decode_part(self._content, box, divisor)
        return None if pixels is None else (pixels, (0, 0, *box[2:]))

    def _decode(self, box: Box, divisor: int) -> tuple[torch.Tensor, Box]:
        """Return the picture as uint8 (4, H, W), and where in it the box is."""
        if self._image is None:
            self._open()
        image = self._image
        assert image is not None, "opened"
        if not isinstance(image, JpegImageFile):
            return _four_channels(image, box)
        with faults_of(self._path, image):
            if divisor > 1:
                image.draft(None, (image.width // divisor, image.height // divisor))
            decoded = to_rgb(upright(image))
        return _four_channels(decoded, _divide(box, divisor, decoded.height, decoded.width))

    def _is_enough(self, divisor: int, box: Box, size: tuple[int, int]) -> bool:
        if self._image is not None and not isinstance(self._image, JpegImageFile):
            return False
        if self._turn is not None and (self.width % divisor or self.height % divisor):
            return False  # the scaled pixels count from the stored picture's corner, which is another one now
        return all(edge >= divisor * _DCT_MARGIN * wanted for edge, wanted in zip(box[2:], size, strict=True))


_TRANSPOSED = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
)
"""Turns after which width is height."""


def _divide(box: Box, divisor: int, image_height: int, image_width: int) -> Box:
    """Return the box in pixels of the picture at 1/divisor, inside of it."""
    if divisor == 1:
        return box
    top, left, height, width = (round(edge / divisor) for edge in box)
    return min(top, image_height - height), min(left, image_width - width), height, width


def _resized_crop(
    pixels: torch.Tensor, box: Box, size: tuple[int, int], interpolation: F.InterpolationMode, *, flip: bool
) -> torch.Tensor:
    """Return the box of uint8 (3 or 4, H, W) as uint8 (3, *size); compiled or not, the same pixels."""
    done = resize_crop(pixels, box, size, interpolation.value, flip=flip)
    if done is not None:
        return done
    top, left, height, width = box
    # Of a batch of one, laid out channels-last for certain, torch's resize takes half the time.
    part = pixels[None, :, top : top + height, left : left + width]
    resized = _resized(part.contiguous(memory_format=torch.channels_last), size, interpolation)[0, :3]
    return resized.contiguous().flip(-1) if flip else resized.contiguous()


def _resized(batch: torch.Tensor, size: tuple[int, int], interpolation: F.InterpolationMode) -> torch.Tensor:
    """Return uint8 (1, C, *size), antialiased.

    Straight to torch's kernel for bytes where it has one: torchvision takes as long again to find the way there.
    """
    if interpolation in _BYTE_KERNELS:
        return interpolate(batch, size, mode=interpolation.value, antialias=True)
    pixels: torch.Tensor = F.resize(batch, list(size), interpolation=interpolation, antialias=True)
    return pixels


def _four_channels(image: Image.Image, box: Box) -> tuple[torch.Tensor, Box]:
    """Return RGB and a filler as uint8 (4, H, W), and where in it the box is; on Pillow's own memory, uncopied.

    Four bytes a pixel are also what torch's antialiased resize is fastest on.
    """
    try:
        values = pyarrow.array(image).values
    except ValueError:  # a picture over 16 MiB lies in several pieces
        top, left, height, width = box
        part = image.crop((left, top, left + width, top + height)).convert("RGBX")
        return torch.from_numpy(np.array(part)).permute(2, 0, 1), (0, 0, height, width)
    pixels: torch.Tensor = from_dlpack(values)
    return pixels.view(image.height, image.width, 4).permute(2, 0, 1), box
