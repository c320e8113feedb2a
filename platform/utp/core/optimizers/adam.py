"""Adam (Kingma and Ba, https://arxiv.org/abs/1412.6980) and AdamW (Loshchilov and Hutter, https://arxiv.org/abs/1711.05101)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from utp.core.optimizers.entries import AdamOptions
from utp.core.optimizers.group_steps import GroupOptimizer
from utp.core.optimizers.param_groups import ParamGroup


def build_adamw(groups: list[ParamGroup], lr: float, options: AdamOptions) -> Optimizer:
    """Return a fused AdamW."""
    return FusedAdam(groups, lr=lr, options=options, decouples_weight_decay=True)


def build_adam(groups: list[ParamGroup], lr: float, options: AdamOptions) -> Optimizer:
    """Return a fused Adam."""
    return FusedAdam(groups, lr=lr, options=options, decouples_weight_decay=False)


class FusedAdam(GroupOptimizer):
    """Bit for bit torch's `AdamW(fused=True)` or `Adam(fused=True)`, by the same kernel and with the same state.

    A fused step is 3x cheaper than the default on a CPU, and can be left out on the device: where `found_inf` is 1.0
    the kernel changes nothing. torch's own class asks in each step how its tensors are to be grouped.
    """

    _step_supports_amp_scaling = True  # torch's name for: takes `found_inf`
    found_inf: Tensor | None = None

    def __init__(
        self, groups: list[ParamGroup], *, lr: float, options: AdamOptions, decouples_weight_decay: bool
    ) -> None:
        # `fused` tells torch to load step counts to where the parameters are.
        defaults = {"lr": lr, "betas": options.betas, "eps": options.eps, "weight_decay": 0.0, "fused": True}
        super().__init__(groups, defaults)
        self._kernel = torch._fused_adamw_ if decouples_weight_decay else torch._fused_adam_

    def _step_group(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        states = [self._state_of(parameter) for parameter in parameters]
        steps = [state["step"] for state in states]
        beta1, beta2 = group["betas"]
        torch._foreach_add_(steps, 1)
        self._kernel(
            parameters,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            steps,
            amsgrad=False,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
            found_inf=self.found_inf,
        )
        if self.found_inf is not None:
            torch._foreach_sub_(steps, [self.found_inf] * len(steps))

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
            state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        return state
