"""Stochastic gradient descent with (Nesterov) momentum."""

from __future__ import annotations

import torch
from torch.optim import SGD, Optimizer

from utp.core.optimizers.entries import SgdOptions
from utp.core.optimizers.param_groups import ParamGroup


def build(groups: list[ParamGroup], lr: float, options: SgdOptions) -> Optimizer:
    """Return a fused SGD; Nesterov only where there is momentum."""
    nesterov = options.nesterov and options.momentum > 0
    optimizer = SGD(groups, lr=lr, momentum=options.momentum, nesterov=nesterov, fused=True)
    if options.momentum:
        # From zeros the first step is the same to the bit. Left to itself, the fused SGD takes an uninitialised buffer
        # as momentum when its very first step is skipped (`_fused_sgd` of torch 2.15: `empty_like`).
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
