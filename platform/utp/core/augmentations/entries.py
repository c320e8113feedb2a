"""The augmentations that a config can name. Imports no torch: listing them must be cheap."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict, field_validator
from pydantic.dataclasses import dataclass

from utp.config.train import STRICT
from utp.core.registry import Registry

AUGMENTATIONS = Registry("augmentation")
"""Target: `build(preprocessing, options) -> Transform`: one picture as bytes, in the loader processes."""

GPU_AUGMENTATIONS = Registry("gpu_augmentation")
"""Target: `build(options, seed) -> BatchAugmentation | None`: a batch in [0, 1] on the device that trains."""

Fraction = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(gt=0)]


# Described here, not by docstrings beneath the fields: pydantic does not hand those down to a subclass.
CropScale = Annotated[
    tuple[Fraction, Fraction],
    Strict(False),
    Field(description="Smallest and largest share of the picture's area that a crop keeps."),
]
CropRatio = Annotated[
    tuple[Ratio, Ratio], Strict(False), Field(description="Narrowest and widest crop, as width over height.")
]
FlipProbability = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Probability of a mirrored picture; 0 where left and right differ in meaning "
        "(digits, text, road signs).",
    ),
]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class StandardOptions:
    """Options of `standard`."""

    scale: CropScale = (0.35, 1.0)
    ratio: CropRatio = (3 / 4, 4 / 3)
    horizontal_flip: FlipProbability = 0.5

    @field_validator("scale", "ratio")
    @classmethod
    def _is_ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] > value[1]:
            raise ValueError("must be (smallest, largest)")
        return value


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RandAugmentOptions(StandardOptions):
    """Options of `randaugment`: those of `standard`, and of the operations after the crop."""

    num_ops: Annotated[int, Field(ge=1, le=10)] = 2
    """Operations drawn per picture, with replacement; each is applied half of the time."""

    magnitude: Annotated[float, Field(ge=0, le=10)] = 9.0
    """Strength of the operations, from 0 to 10."""

    magnitude_std: Annotated[float, Field(ge=0)] = 0.5
    """Standard deviation of the strength of each operation; 0 for always the same."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class GeometricOptions:
    """Options of `geometric`; 0 turns each off, and a `scale` of (1, 1)."""

    degrees: Annotated[float, Field(ge=0, le=180)] = 10.0
    """Largest rotation to either side, in degrees."""

    translate: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Largest shift, as a share of width and height."""

    scale: Annotated[tuple[Ratio, Ratio], Strict(False)] = (0.9, 1.1)
    """Smallest and largest zoom."""

    shear: Annotated[float, Field(ge=0, le=60)] = 5.0
    """Largest horizontal shear to either side, in degrees."""

    perspective: Annotated[float, Field(ge=0, lt=0.9)] = 0.1
    """Largest shift of a corner inwards, as a share of half the side."""

    horizontal_flip: FlipProbability = 0.5

    @field_validator("scale")
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
AUGMENTATIONS.register(
    "randaugment",
    "utp.core.augmentations.randaugment:build",
    options=RandAugmentOptions,
    doc="`standard`, then random changes of colour and geometry of one strength (timm's `rand-m9-mstd0.5-inc1`).",
)
AUGMENTATIONS.register(
    "trivial",
    "utp.core.augmentations.trivial:build",
    options=StandardOptions,
    doc="`standard`, then one random change of colour or geometry of random strength (TrivialAugmentWide).",
)
GPU_AUGMENTATIONS.register(
    "none",
    "utp.core.augmentations.unchanged:build",
    doc="No change of batches on the device.",
)
GPU_AUGMENTATIONS.register(
    "geometric",
    "utp.core.augmentations.geometric:build",
    options=GeometricOptions,
    doc="Small rotation, shift, zoom, shear and perspective, and a mirror image, as one warp by Kornia.",
)
