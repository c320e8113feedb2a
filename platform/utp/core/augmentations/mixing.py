"""Mixup and CutMix of whole batches on the device, as timm's `Mixup` in its mode `batch` (`data/mixup.py`).

Zhang et al. 2017, https://arxiv.org/abs/1710.09412; Yun et al. 2019, https://arxiv.org/abs/1905.04899.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from torch import Tensor
from torch.nn import functional

from utp.config.train import TrainConfig
from utp.core.randomness import derive_seed

_CUTMIX_SHARE = 0.5  # of the mixed batches, where both are on; timm's switch_prob


@dataclass(frozen=True)
class Mix:
    """What one batch is mixed with: picture i with picture N - 1 - i, which also works for batches of odd size.

    `share` is what stays of a picture, in 0..1. CutMix has a `box` (top, bottom, left, right) in pixels, mixup none.
    """

    share: float
    box: tuple[int, int, int, int] | None = None

    def mix_images(self, images: Tensor) -> Tensor:
        """Mix float (N, 3, H, W) in place and return it."""
        if self.box is None:
            return images.lerp_(images.flip(0), 1 - self.share)
        top, bottom, left, right = self.box
        images[..., top:bottom, left:right] = images[..., top:bottom, left:right].flip(0)
        return images

    def mix_labels(self, labels: Tensor, num_classes: int) -> Tensor:
        """Return targets (N, C) float32 from labels (N,); a loss that smooths them gives what timm's does."""
        targets = functional.one_hot(labels, num_classes).float()
        return targets.lerp_(targets.flip(0), 1 - self.share)

    def dominant_labels(self, labels: Tensor) -> Tensor:
        """Return for each picture the label (N,) of which it shows most."""
        return labels if self.share >= 0.5 else labels.flip(0)


@dataclass(frozen=True)
class Mixer:
    """Draws what to mix; on the CPU, so that no draw makes the host wait for the device."""

    mixup_alpha: float
    cutmix_alpha: float
    probability: float
    off_epoch: int | None
    seed: int

    @classmethod
    def from_config(cls, config: TrainConfig) -> Self | None:
        """Return the mixer of a run, or none where it mixes nothing."""
        if not (config.mixup_alpha or config.cutmix_alpha):
            return None
        probability = 1.0 if config.mixup_prob is None else config.mixup_prob
        return cls(config.mixup_alpha, config.cutmix_alpha, probability, config.mixup_off_epoch, config.seed)

    def draw(self, epoch: int, batch: int, height: int, width: int) -> Mix | None:
        """Return the mix of a micro-batch, a function of (seed, epoch, batch); none leaves it as it is."""
        if self.off_epoch is not None and epoch >= self.off_epoch:
            return None
        random = np.random.default_rng(derive_seed(self.seed, "mix", epoch, batch))
        if random.random() >= self.probability:
            return None
        is_cutmix = self.cutmix_alpha > 0 and (self.mixup_alpha == 0 or random.random() < _CUTMIX_SHARE)
        if not is_cutmix:
            return Mix(random.beta(self.mixup_alpha, self.mixup_alpha))
        share = random.beta(self.cutmix_alpha, self.cutmix_alpha)
        center = int(random.integers(height)), int(random.integers(width))
        return cut_box(share, center, height, width)


def cut_box(share: float, center: tuple[int, int], height: int, width: int) -> Mix:
    """Return the CutMix with a box of 1 - `share` of the area; what the border cuts off is added to its share."""
    side = math.sqrt(1 - share)
    cut_height, cut_width = int(height * side), int(width * side)
    top, left = max(center[0] - cut_height // 2, 0), max(center[1] - cut_width // 2, 0)
    bottom = min(center[0] + (cut_height + 1) // 2, height)
    right = min(center[1] + (cut_width + 1) // 2, width)
    return Mix(1 - (bottom - top) * (right - left) / (height * width), (top, bottom, left, right))
