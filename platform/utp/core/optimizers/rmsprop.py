"""RMSprop (Hinton 2012, lecture 6e), with momentum; its weight decay is added to the gradient."""

from __future__ import annotations

from torch.optim import Optimizer, RMSprop

from utp.core.optimizers.bad_steps import skip_bad_gradients
from utp.core.optimizers.entries import RmspropOptions
from utp.core.optimizers.param_groups import ParamGroup


def build(groups: list[ParamGroup], lr: float, options: RmspropOptions) -> Optimizer:
    """Return an RMSprop, in torch's multi-tensor form."""
    return skip_bad_gradients(
        RMSprop(groups, lr=lr, alpha=options.alpha, eps=options.eps, momentum=options.momentum, foreach=True)
    )
