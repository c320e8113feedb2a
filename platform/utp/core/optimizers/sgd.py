"""Stochastic gradient descent with (Nesterov) momentum."""

from __future__ import annotations

from torch.optim import SGD, Optimizer

from utp.core.optimizers.entries import SgdOptions
from utp.core.optimizers.param_groups import ParamGroup


def build(groups: list[ParamGroup], lr: float, options: SgdOptions) -> Optimizer:
    """Return a fused SGD; Nesterov only where there is momentum."""
    nesterov = options.nesterov and options.momentum > 0
    return SGD(groups, lr=lr, momentum=options.momentum, nesterov=nesterov, fused=True)
