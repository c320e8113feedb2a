"""Losses by name. A new one is a line here and a file beside this one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
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


LOSSES.register(
    "cross_entropy",
    "utp.core.losses.cross_entropy:build",
    options=CrossEntropyOptions,
    doc="Cross-entropy of the softmax; the standard choice.",
)
