"""Views of one picture for test-time augmentation: the model sees each of them, and its logits are averaged.

Logits, not probabilities: every loss and metric is defined on logits, also those that are no softmax, and stays
what it is without augmentation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from utp.core.data.dataset import Transform
from utp.core.data.transforms import Preprocessing

MARGIN = 8 / 7
"""Resize over crop where the model's own preprocessing cuts nothing off: 256 / 224, the margin of ImageNet models."""


@dataclass(frozen=True)
class FlippedViews:
    """The picture and its mirror image: uint8 (3, H, W) to (2, 3, *size)."""

    preprocessing: Preprocessing

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return both views of one picture."""
        upright = self.preprocessing.eval_transform(image)
        return torch.stack([upright, upright.flip(-1)])


@dataclass(frozen=True)
class FiveCrops:
    """The centre and the four corners: uint8 (3, H, W) to (5, 3, *size); the centre comes first."""

    preprocessing: Preprocessing

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Return the five views of one picture."""
        height, width = self.preprocessing.size
        centre_of = replace(_with_margin(self.preprocessing), crop=None)
        resized = image if centre_of.resize is None else centre_of.eval_transform(image)
        # A picture that is smaller than the crop is padded as the centre crop pads it.
        floor = (max(height, resized.shape[-2]), max(width, resized.shape[-1]))
        resized = replace(centre_of, resize=None, crop=floor).eval_transform(resized)
        bottom, right = floor[0] - height, floor[1] - width
        corners = [(bottom // 2, right // 2), (0, 0), (0, right), (bottom, 0), (bottom, right)]
        return torch.stack([resized[:, top : top + height, left : left + width] for top, left in corners])


def view_transform(name: str, preprocessing: Preprocessing) -> Transform:
    """Return the transform of `TrainConfig.test_time_augmentation` for loader processes; `none` gives one view."""
    match name:
        case "hflip":
            return FlippedViews(preprocessing)
        case "five_crop":
            return FiveCrops(preprocessing)
    assert name == "none", name
    return preprocessing.eval_transform


def _with_margin(preprocessing: Preprocessing) -> Preprocessing:
    """Resize to more than the crop, so that the five crops differ, where the model's own preprocessing does not."""
    size, resize = preprocessing.size, preprocessing.resize
    if resize is None:
        return preprocessing
    if isinstance(resize, int):
        edge = max(size)
        return preprocessing if resize > edge else replace(preprocessing, resize=round(edge * MARGIN))
    if resize[0] > size[0] and resize[1] > size[1]:
        return preprocessing
    return replace(preprocessing, resize=(round(size[0] * MARGIN), round(size[1] * MARGIN)))
