"""TrivialAugmentWide: one operation of random strength per picture (Müller & Hutter 2021, arXiv 2103.10158)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torchvision.transforms import v2

from utp.core.augmentations.entries import StandardOptions
from utp.core.augmentations.standard import RandomResizedCropFlip, Transform
from utp.core.data.transforms import Preprocessing


def build(preprocessing: Preprocessing, options: StandardOptions) -> Transform:
    """Return the augmentation: uint8 (3, H, W) to uint8 (3, *preprocessing.size)."""
    # torchvision's own draws from torch's default generator alone, as ours do.
    change = v2.TrivialAugmentWide(
        interpolation=v2.InterpolationMode.BILINEAR, fill=[round(value) for value in preprocessing.mean_colour]
    )
    return CropThenChange(RandomResizedCropFlip(preprocessing, options), change)


@dataclass(frozen=True)
class CropThenChange:
    """Random crop and flip, then one transform of torchvision."""

    crop: RandomResizedCropFlip
    change: v2.Transform

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return uint8 (3, *size)."""
        changed: torch.Tensor = self.change(self.crop(image))
        return changed
