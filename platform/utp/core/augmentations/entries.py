"""The augmentations that a config can name. Imports no torch: listing them must be cheap."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict, field_validator
from pydantic.dataclasses import dataclass

from utp.config.train import STRICT
from utp.core.registry import Registry

AUGMENTATIONS = Registry("augmentation")

Fraction = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(gt=0)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class StandardOptions:
    """Options of `standard`."""

    scale: Annotated[tuple[Fraction, Fraction], Strict(False)] = (0.35, 1.0)
    """Smallest and largest share of the picture's area that a crop keeps."""

    ratio: Annotated[tuple[Ratio, Ratio], Strict(False)] = (3 / 4, 4 / 3)
    """Narrowest and widest crop, as width over height."""

    horizontal_flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability of a mirrored picture; 0 where left and right differ in meaning (digits, text, road signs)."""

    @field_validator("scale", "ratio")
    @classmethod
    def _is_ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError("must be (smallest, largest)")
        return value


AUGMENTATIONS.register(
    "none",
    "utp.core.augmentations.standard:build_none",
    doc="Resize and crop as in evaluation; the same pixels in every epoch.",
)
AUGMENTATIONS.register(
    "standard",
    "utp.core.augmentations.standard:build",
    options=StandardOptions,
    doc="A random crop of random size and shape, resized to the model's input, mirrored half of the time.",
)
