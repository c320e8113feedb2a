"""Optimizers by name. A new one is a line here and a file beside this one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict
from pydantic.dataclasses import dataclass

from utp.config.train import STRICT
from utp.core.registry import Registry

OPTIMIZERS = Registry("optimizer")
"""Target: `build(groups, lr, options) -> torch.optim.Optimizer`; each group has `params` and its own `weight_decay`."""

Beta = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class AdamOptions:
    """Options of `adam` and `adamw`."""

    betas: Annotated[tuple[Beta, Beta], Strict(False)] = (0.9, 0.999)
    """Decay of the running means of gradient and squared gradient."""

    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the denominator."""


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
