"""Random resized crop and horizontal flip on uint8 pictures, drawn from torch's default generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torchvision.transforms.v2 import InterpolationMode

from utp.core.augmentations.entries import StandardOptions
from utp.core.data.picture import Picture, PixelPicture
from utp.core.data.transforms import Preprocessing

Transform = Callable[[torch.Tensor], torch.Tensor]

_ATTEMPTS = 10  # as torchvision's RandomResizedCrop, after Inception


def build(preprocessing: Preprocessing, options: StandardOptions) -> Transform:
    """Return the augmentation: uint8 (3, H, W) to uint8 (3, *preprocessing.size)."""
    return RandomResizedCropFlip(preprocessing, options)


def build_none(preprocessing: Preprocessing, options: None = None) -> Transform:
    """Return the transform of evaluation: uint8 (3, H, W) to uint8 (3, *preprocessing.size)."""
    return preprocessing.eval_transform


@dataclass(frozen=True)
class RandomResizedCropFlip:
    """A class, not a closure, since it travels to loader processes by pickle."""

    preprocessing: Preprocessing
    options: StandardOptions

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Draw a crop and a flip, and return uint8 (3, *size)."""
        return self.from_picture(PixelPicture(image))

    def from_picture(self, picture: Picture) -> torch.Tensor:
        """Draw a crop and a flip from the picture's size alone, so that only the pixels they need are decoded."""
        box = draw_crop(picture.height, picture.width, self.options.scale, self.options.ratio)
        flip = float(torch.rand(())) < self.options.horizontal_flip
        return picture.resized_crop(box, self.preprocessing.size, self._interpolation, flip=flip)

    @cached_property
    def _interpolation(self) -> InterpolationMode:
        return self.preprocessing.interpolation_mode  # an enum's look-up takes longer than the draws


def draw_crop(
    height: int, width: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Draw (top, left, height, width) in pixels: area uniform in `scale`, shape log-uniform in `ratio`.

    The same distribution as torchvision's RandomResizedCrop; where ten draws do not fit, the largest central crop.
    """
    for _ in range(_ATTEMPTS):
        area_draw, shape_draw, top_draw, left_draw = torch.rand(4).tolist()  # one call: each takes microseconds
        area = height * width * (scale[0] + (scale[1] - scale[0]) * area_draw)
        shape = ratio[0] * (ratio[1] / ratio[0]) ** shape_draw
        crop_width, crop_height = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            return (
                _below(height - crop_height, top_draw),
                _below(width - crop_width, left_draw),
                crop_height,
                crop_width,
            )
    crop_width = min(width, max(1, round(height * ratio[1])))
    crop_height = min(height, max(1, round(width / ratio[0])))
    return (height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width


def _below(limit: int, draw: float) -> int:
    """Turn a draw from [0, 1) into one from 0..limit, both included; a picture's edge is far below a draw's 2^24."""
    return int((limit + 1) * draw)
