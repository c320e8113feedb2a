"""What a picture goes through on its way into the model: plain numbers, so loader processes need no transformers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torchvision.transforms.v2 import functional as F  # noqa: N812  (torchvision's own name for it)

MAX_SHAPE = 16
"""Longer side over shorter; a picture beyond it loses its far ends before it is scaled to a shortest edge, of which a
crop shows nothing: scaled whole, a line of 2 x 20,000 pixels would take 6 GB and 20 s."""


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop and normalisation of one model, as its own image processor does them."""

    resize: int | tuple[int, int] | None
    """Length of the shortest edge, or (height, width), or none for no resize."""

    crop: tuple[int, int] | None
    """(height, width) cut from the centre after the resize, padded with black where the picture is smaller."""

    mean: tuple[float, float, float]
    """Subtracted per channel after `rescale`."""

    std: tuple[float, float, float]
    """Divided by, per channel."""

    interpolation: str = "bilinear"
    """A value of torchvision's `InterpolationMode`."""

    rescale: float = 1 / 255
    """Factor from 0..255 to the range that `mean` and `std` are in."""

    is_bgr: bool = False
    """Whether the model wants blue first."""

    halves_to_even: bool = False
    """Whether half of an odd margin becomes the even number beside it, as in timm's crop, and not the one below."""

    processor_config: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What `save_processor` writes as `preprocessor_config.json`."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every picture that leaves `eval_transform` and the augmentations, in pixels."""
        if self.crop is not None:
            return self.crop
        assert isinstance(self.resize, tuple), "a shortest edge without a crop gives no fixed size"
        return self.resize

    @property
    def interpolation_mode(self) -> F.InterpolationMode:
        """`interpolation` as torchvision takes it."""
        return F.InterpolationMode(self.interpolation)

    @property
    def mean_colour(self) -> tuple[float, float, float]:
        """`mean` as RGB in 0..255."""
        return self._in_bytes(self.mean)

    @property
    def deviation_colour(self) -> tuple[float, float, float]:
        """`std` as RGB in 0..255."""
        return self._in_bytes(self.std)

    def eval_transform(self, image: torch.Tensor) -> torch.Tensor:
        """Resize and crop uint8 (3, H, W) to uint8 (3, *size), as in evaluation."""
        if self.resize is not None:
            image = image if isinstance(self.resize, tuple) else _without_far_ends(image)
            image = F.resize(image, self._resized(image), interpolation=self.interpolation_mode, antialias=True)
        return image if self.crop is None else _center_crop(image, self.crop, self.halves_to_even)

    def normalise(self, batch: torch.Tensor) -> torch.Tensor:
        """Turn (N, 3, H, W) in 0..255, uint8 or float32, into the model's float32 input; overwrites float32."""
        if self.is_bgr:
            batch = batch.flip(1)
        # Mean and standard deviation are scaled, not the pixels: one pass less, and bit for bit what the processors do.
        mean, std = (_per_channel(values, self.rescale, batch.device) for values in (self.mean, self.std))
        return batch.to(torch.float32).sub_(mean).div_(std)

    def save_processor(self, directory: Path) -> None:
        """Write `preprocessor_config.json`, from which `AutoImageProcessor` builds a processor that does the same."""
        directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.processor_config, indent=2, sort_keys=True) + "\n"
        (directory / "preprocessor_config.json").write_text(text, encoding="utf-8")

    def _in_bytes(self, values: tuple[float, float, float]) -> tuple[float, float, float]:
        red, green, blue = (min(max(value / self.rescale, 0.0), 255.0) for value in values)
        return (blue, green, red) if self.is_bgr else (red, green, blue)

    def _resized(self, image: torch.Tensor) -> list[int]:
        if isinstance(self.resize, tuple):
            return list(self.resize)
        assert self.resize is not None
        height, width = image.shape[-2:]
        longest = int(self.resize * max(height, width) / min(height, width))
        return [self.resize, longest] if height <= width else [longest, self.resize]


def _without_far_ends(image: torch.Tensor) -> torch.Tensor:
    height, width = image.shape[-2:]
    longest = MAX_SHAPE * min(height, width)
    if max(height, width) <= longest:
        return image
    # As much on both ends, so that the centre stays where it is.
    top, left = (max(side - longest, 0) // 2 for side in (height, width))
    return image[..., top : height - top, left : width - left]


def _center_crop(image: torch.Tensor, size: tuple[int, int], halves_to_even: bool) -> torch.Tensor:
    # Not torchvision's: it rounds half an odd margin to the even number, transformers' own processors always down.
    missing = [max(wanted - got, 0) for wanted, got in zip(size, image.shape[-2:], strict=True)]
    if any(missing):
        top, left = missing[0] // 2, missing[1] // 2
        image = F.pad(image, [left, top, missing[1] - left, missing[0] - top], fill=0)
    margins = [got - wanted for wanted, got in zip(size, image.shape[-2:], strict=True)]
    top, left = (round(margin / 2) if halves_to_even else margin // 2 for margin in margins)
    return image[..., top : top + size[0], left : left + size[1]]


@lru_cache(maxsize=16)
def _per_channel(values: tuple[float, float, float], rescale: float, device: torch.device) -> torch.Tensor:
    """Kept on the device: made anew for each batch, its copy would make the host wait for the device."""
    return (torch.tensor(values, device=device) * (1.0 / rescale)).view(-1, 1, 1)
