"""RandAugment as timm draws it (`rand-m9-mstd0.5-inc1`), on uint8 pictures through torchvision's operations.

Cubuk et al. 2019, https://arxiv.org/abs/1909.13719; levels and probabilities after timm's `auto_augment.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F  # noqa: N812  (torchvision's own name for it)

from utp.core.augmentations.entries import RandAugmentOptions
from utp.core.augmentations.standard import RandomResizedCropFlip, Transform
from utp.core.data.transforms import Preprocessing

Colour = tuple[float, float, float]
Operation = Callable[[Tensor, float, Colour], Tensor]
"""(uint8 (3, H, W), strength, fill colour) -> uint8 (3, H, W); strength is in 0..1, signed where the sign matters."""

_MAX_MAGNITUDE = 10.0  # timm's _LEVEL_DENOM
_OPERATION_PROBABILITY = 0.5  # timm's, of each operation that was drawn


def build(preprocessing: Preprocessing, options: RandAugmentOptions) -> Transform:
    """Return the augmentation: uint8 (3, H, W) to uint8 (3, *preprocessing.size)."""
    return RandAugment(RandomResizedCropFlip(preprocessing, options), preprocessing.mean_colour, options)


@dataclass(frozen=True)
class RandAugment:
    """Crop and flip, then `num_ops` operations drawn with replacement; all draws from torch's default generator."""

    crop: RandomResizedCropFlip
    fill: Colour
    options: RandAugmentOptions

    def __call__(self, image: Tensor) -> Tensor:
        """Return uint8 (3, *size)."""
        image = self.crop(image)
        for index in torch.randint(len(_NAMES), (self.options.num_ops,)).tolist():
            name, (chance, sign) = _NAMES[index], torch.rand(2).tolist()
            strength = self._draw_strength()
            if chance < _OPERATION_PROBABILITY:
                image = OPERATIONS[name](image, strength if sign < 0.5 else -strength, self.fill)
        return image

    def _draw_strength(self) -> float:
        magnitude = self.options.magnitude + self.options.magnitude_std * float(torch.randn(()))
        return min(max(magnitude, 0.0), _MAX_MAGNITUDE) / _MAX_MAGNITUDE


def _warp(
    image: Tensor, strength: float, fill: Colour, *,
    degrees: float = 0.0, shift_x: float = 0.0, shift_y: float = 0.0, shear_x: float = 0.0, shear_y: float = 0.0,
) -> Tensor:  # fmt: skip
    """Rotate, shift (in shares of the side) or shear (as a slope) by `strength` times what is given."""
    height, width = image.shape[-2:]
    warped: Tensor = F.affine(
        image,
        angle=strength * degrees,
        translate=[round(strength * shift_x * width), round(strength * shift_y * height)],
        scale=1.0,
        shear=[math.degrees(math.atan(strength * slope)) for slope in (shear_x, shear_y)],
        interpolation=F.InterpolationMode.BILINEAR,
        fill=list(fill),
    )
    return warped


def _solarize_add(image: Tensor, strength: float, fill: Colour) -> Tensor:
    brighter = (image.to(torch.int16) + int(abs(strength) * 110)).clamp_(0, 255).to(torch.uint8)
    return torch.where(image < 128, brighter, image)


def _enhance(adjust: Callable[[Tensor, float], Tensor]) -> Operation:
    return partial(_adjusted, adjust)


def _adjusted(adjust: Callable[[Tensor, float], Tensor], image: Tensor, strength: float, fill: Colour) -> Tensor:
    return adjust(image, max(0.1, 1 + 0.9 * strength))


OPERATIONS: Mapping[str, Operation] = {
    "auto_contrast": lambda image, strength, fill: F.autocontrast(image),
    "equalize": lambda image, strength, fill: F.equalize(image),
    "invert": lambda image, strength, fill: F.invert(image),
    "rotate": partial(_warp, degrees=30.0),
    # timm goes down to 0 bits: a black picture, from which nothing can be learnt.
    "posterize": lambda image, strength, fill: F.posterize(image, bits=max(1, 4 - int(abs(strength) * 4))),
    "solarize": lambda image, strength, fill: F.solarize(image, threshold=255 * (1 - abs(strength))),
    "solarize_add": _solarize_add,
    "colour": _enhance(F.adjust_saturation),
    "contrast": _enhance(F.adjust_contrast),
    "brightness": _enhance(F.adjust_brightness),
    "sharpness": _enhance(F.adjust_sharpness),
    "shear_x": partial(_warp, shear_x=0.3),
    "shear_y": partial(_warp, shear_y=0.3),
    "translate_x": partial(_warp, shift_x=0.45),
    "translate_y": partial(_warp, shift_y=0.45),
}
"""timm's set in which every operation gets stronger with the magnitude."""

_NAMES = tuple(OPERATIONS)
