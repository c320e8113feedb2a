"""NAdam (Dozat 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ) with decoupled weight decay."""

from __future__ import annotations

from torch.optim import NAdam, Optimizer

from utp.core.optimizers.bad_steps import skip_bad_gradients
from utp.core.optimizers.entries import AdamOptions
from utp.core.optimizers.param_groups import ParamGroup


def build(groups: list[ParamGroup], lr: float, options: AdamOptions) -> Optimizer:
    """Return a NAdamW, in torch's multi-tensor form."""
    # Capturable keeps `mu_product` on the GPU: restored from a checkpoint it lies there, and is read every step else.
    is_cuda = all(parameter.is_cuda for group in groups for parameter in group["params"])
    return skip_bad_gradients(
        NAdam(
            groups,
            lr=lr,
            betas=options.betas,
            eps=options.eps,
            decoupled_weight_decay=True,
            foreach=True,
            capturable=is_cuda,
        )
    )
