"""Random erasing: a rectangle of the augmented picture is painted over (Zhong et al. 2017, arXiv 1708.04896)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from utp.core.augmentations.standard import Transform
from utp.core.data.transforms import Preprocessing

_AREA = (0.02, 1 / 3)  # shares of the picture, and shapes, as timm's RandomErasing
_SHAPE = (0.3, 1 / 0.3)
_ATTEMPTS = 10


@dataclass(frozen=True)
class RandomErasing:
    """Applies `transform`, then erases with `probability`; draws from torch's default generator."""

    transform: Transform
    preprocessing: Preprocessing
    probability: float
    fill: Literal["noise", "mean"]

    def __call__(self, image: Tensor) -> Tensor:
        """Return uint8 (3, *size)."""
        image = self.transform(image)
        if float(torch.rand(())) >= self.probability:
            return image
        image = image.clone()  # it may be a view of what the caller keeps
        top, left, height, width = draw_rectangle(image.shape[-2], image.shape[-1])
        image[:, top : top + height, left : left + width] = self._paint(height, width)
        return image

    def _paint(self, height: int, width: int) -> Tensor:
        """Return uint8 (3, height, width) or (3, 1, 1); noise has the mean and deviation that the model normalises."""
        mean = torch.tensor(self.preprocessing.mean_colour).view(3, 1, 1)
        if self.fill == "mean":
            return mean.round().to(torch.uint8)
        deviation = torch.tensor(self.preprocessing.deviation_colour).view(3, 1, 1)
        return (mean + deviation * torch.randn(3, height, width)).round_().clamp_(0, 255).to(torch.uint8)


def draw_rectangle(height: int, width: int) -> tuple[int, int, int, int]:
    """Draw (top, left, height, width) in pixels; an empty one where ten draws do not fit."""
    for _ in range(_ATTEMPTS):
        draws = torch.rand(2).tolist()
        area = height * width * (_AREA[0] + draws[0] * (_AREA[1] - _AREA[0]))
        shape = math.exp(math.log(_SHAPE[0]) + draws[1] * math.log(_SHAPE[1] / _SHAPE[0]))
        cut_height, cut_width = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if cut_height < height and cut_width < width:
            top = int(torch.randint(0, height - cut_height + 1, ()))
            left = int(torch.randint(0, width - cut_width + 1, ()))
            return top, left, cut_height, cut_width
    return 0, 0, 0, 0
