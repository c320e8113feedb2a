"""LAMB (You et al. 2019, https://arxiv.org/abs/1904.00962): Adam with a step per layer as long as its weights allow."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from utp.core.optimizers.bad_steps import skip_bad_gradients
from utp.core.optimizers.entries import AdamOptions
from utp.core.optimizers.group_steps import GroupOptimizer
from utp.core.optimizers.param_groups import ParamGroup


def build(groups: list[ParamGroup], lr: float, options: AdamOptions) -> Optimizer:
    """Return a LAMB."""
    return skip_bad_gradients(Lamb(groups, lr=lr, betas=options.betas, eps=options.eps))


class Lamb(GroupOptimizer):
    """Algorithm 2 of the paper, with phi the identity and both moments corrected for their start at 0.

    Biases, norm scales and other vectors take plain Adam steps: a trust ratio of a bias that starts at 0 means nothing.
    """

    def __init__(self, groups: list[ParamGroup], *, lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    def _step_group(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        updates = self._adam_directions(group, parameters, gradients)
        if group["weight_decay"]:
            torch._foreach_add_(updates, parameters, alpha=group["weight_decay"])
        torch._foreach_mul_(updates, _trust_ratios(parameters, updates))
        torch._foreach_add_(parameters, updates, alpha=-group["lr"])

    def _adam_directions(
        self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]
    ) -> list[Tensor]:
        beta1, beta2 = group["betas"]
        states = [self._state_of(parameter) for parameter in parameters]
        means = [state["exp_avg"] for state in states]
        squares = [state["exp_avg_sq"] for state in states]
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
        steps = [_count_step(state) for state in states]
        denominators = torch._foreach_div(squares, [1 - beta2**step for step in steps])
        torch._foreach_sqrt_(denominators)
        torch._foreach_add_(denominators, group["eps"])
        updates = torch._foreach_div(means, [1 - beta1**step for step in steps])
        torch._foreach_div_(updates, denominators)
        return list(updates)

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)  # on the CPU, as torch's own have it: reading it waits for nothing
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state


def _count_step(state: dict[str, Tensor]) -> int:
    state["step"] += 1
    return int(state["step"])


def _trust_ratios(parameters: list[Tensor], updates: list[Tensor]) -> list[Tensor]:
    """Return ||weights|| / ||update|| per parameter, 1 for vectors and where either norm is 0; stays on the device."""
    weights, lengths = torch._foreach_norm(parameters), torch._foreach_norm(updates)
    return [
        torch.where((weight > 0) & (length > 0), weight / length, 1.0)
        if parameter.ndim > 1
        else torch.ones_like(weight)
        for parameter, weight, length in zip(parameters, weights, lengths, strict=True)
    ]
