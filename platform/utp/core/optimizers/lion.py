"""Lion (Chen et al. 2023, https://arxiv.org/abs/2302.06675): the sign of a momentum, with decoupled weight decay."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from utp.core.optimizers.bad_steps import skip_bad_gradients
from utp.core.optimizers.entries import LionOptions
from utp.core.optimizers.group_steps import GroupOptimizer
from utp.core.optimizers.param_groups import ParamGroup


def build(groups: list[ParamGroup], lr: float, options: LionOptions) -> Optimizer:
    """Return a Lion."""
    return skip_bad_gradients(Lion(groups, lr=lr, betas=options.betas))


class Lion(GroupOptimizer):
    """Algorithm 2 of the paper; half the state of Adam."""

    def __init__(self, groups: list[ParamGroup], *, lr: float, betas: tuple[float, float]) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    def _step_group(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        beta1, beta2 = group["betas"]
        momenta = [self._momentum_of(parameter) for parameter in parameters]
        updates = torch._foreach_lerp(momenta, gradients, 1 - beta1)
        torch._foreach_sign_(updates)
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, updates, alpha=-group["lr"])
        torch._foreach_lerp_(momenta, gradients, 1 - beta2)

    def _momentum_of(self, parameter: Tensor) -> Tensor:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter)
        return state["exp_avg"]
