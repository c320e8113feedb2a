"""Optimizers by name. A new one is a line here and a file beside this one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict
from pydantic.dataclasses import dataclass

from utp.config.train import STRICT
from utp.core.registry import Registry

OPTIMIZERS = Registry("optimizer")
"""Target: `build(groups, lr, options) -> torch.optim.Optimizer`; a group has `params`, `weight_decay`
and perhaps `lr_scale`, which the loop multiplies the rate with."""

Beta = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AdamOptions:
    """Options of `adam`, `adamw`, `lamb` and `nadamw`."""

    betas: Annotated[tuple[Beta, Beta], Strict(False)] = (0.9, 0.999)
    """Decay of the running means of gradient and squared gradient."""

    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the denominator."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LionOptions:
    """Options of `lion`."""

    betas: Annotated[tuple[Beta, Beta], Strict(False)] = (0.9, 0.99)
    """Share of the momentum in the update, and decay of the momentum."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class RmspropOptions:
    """Options of `rmsprop`."""

    alpha: Beta = 0.9
    """Decay of the running mean of the squared gradient."""

    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the denominator."""

    momentum: Beta = 0.9
    """Decay of the running sum of updates; 0 for none."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SgdOptions:
    """Options of `sgd`."""

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay of the running sum of gradients; 0 for none."""

    nesterov: bool = True
    """Look ahead along the momentum; has no effect without momentum."""


OPTIMIZERS.register(
    "adamw",
    "utp.core.optimizers.adam:build_adamw",
    options=AdamOptions,
    doc="Adam with decoupled weight decay; the standard choice for fine-tuning.",
)
OPTIMIZERS.register(
    "adam",
    "utp.core.optimizers.adam:build_adam",
    options=AdamOptions,
    doc="Adam; its weight decay is added to the gradient.",
)
OPTIMIZERS.register(
    "sgd",
    "utp.core.optimizers.sgd:build",
    options=SgdOptions,
    doc="Stochastic gradient descent with momentum; wants a learning rate some 100 times that of Adam.",
)
OPTIMIZERS.register(
    "lamb",
    "utp.core.optimizers.lamb:build",
    options=AdamOptions,
    doc="Adam with a step per layer in proportion to its weights; for very large batches.",
)
OPTIMIZERS.register(
    "lion",
    "utp.core.optimizers.lion:build",
    options=LionOptions,
    doc="Sign of a momentum, with half the state of Adam; wants a third to a tenth of AdamW's learning rate.",
)
OPTIMIZERS.register(
    "nadamw",
    "utp.core.optimizers.nadamw:build",
    options=AdamOptions,
    doc="AdamW that looks ahead along the momentum.",
)
OPTIMIZERS.register(
    "rmsprop",
    "utp.core.optimizers.rmsprop:build",
    options=RmspropOptions,
    doc="Gradient over the root of its running mean square; the choice of EfficientNet and MobileNet.",
)
