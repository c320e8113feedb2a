"""Keeps a gradient that is not finite away from the weights, for optimizers that know no `found_inf`."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer


def skip_bad_gradients(optimizer: Optimizer) -> Optimizer:
    """Make every step with `optimizer.found_inf` above 0 see gradients of 0; return the optimizer.

    The loop sets `found_inf` from the first bad step on. On a CPU it stops before that step; on a GPU it learns of it
    some steps later, and until then the weights move by old momentum alone and stay finite. None of these steps is
    ever saved. A fused optimizer needs none of this: it skips the step itself.
    """
    optimizer.register_step_pre_hook(_zero_bad_gradients)
    return optimizer


@torch.no_grad()
def _zero_bad_gradients(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    found_inf = getattr(optimizer, "found_inf", None)
    if found_inf is None:
        return
    is_bad = found_inf > 0  # stays on the device; NaN times 0 is NaN, so the gradients are replaced
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(is_bad, 0.0)
