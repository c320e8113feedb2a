"""Losses by name. A new one is a line here and a file beside this one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from utp.config.train import STRICT
from utp.core.registry import Registry

LOSSES = Registry("loss")
"""Target: `build(options, *, is_training) -> SampleLoss`: one loss per sample, of which the loop takes the mean.

Trait `soft_targets=False` says that targets must be labels (N,); else a loss takes shares (N, C), as mixup makes, too.
"""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CrossEntropyOptions:
    """Options of `cross_entropy`."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target that is spread evenly over all classes; in training alone."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FocalOptions:
    """Options of `focal`."""

    gamma: Annotated[float, Field(ge=0)] = 2.0
    """How strongly samples that are right already are played down: their loss is times (1 - p) ** gamma."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target that is spread evenly over all classes; in training alone."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class BceOptions:
    """Options of `bce`."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target that is spread evenly over all classes; in training alone."""

    target_threshold: Annotated[float, Field(ge=0, lt=1)] | None = None
    """A class whose share of a mixed target is above this counts as wholly there; none keeps shares. 0.2 is usual."""

    @field_validator("target_threshold")
    @classmethod
    def _smooths_or_cuts(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("label_smoothing"):
            raise ValueError("makes every target 0 or 1, so label_smoothing has no effect; leave one of them out")
        return value


LOSSES.register(
    "bce",
    "utp.core.losses.bce:build",
    options=BceOptions,
    doc="Binary cross-entropy, each class against all others; for long training with mixed images.",
)
LOSSES.register(
    "cross_entropy",
    "utp.core.losses.cross_entropy:build",
    options=CrossEntropyOptions,
    doc="Cross-entropy of the softmax; the standard choice.",
)
LOSSES.register(
    "focal",
    "utp.core.losses.focal:build",
    options=FocalOptions,
    doc="Cross-entropy that weighs hard examples more (gamma 0 is plain cross-entropy).",
)
