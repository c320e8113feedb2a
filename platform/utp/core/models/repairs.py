"""Defects of transformers' architectures that break training, repaired when a model is built."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from transformers import PreTrainedModel

BATCH_NORM_MOMENTUM = 0.1
"""PyTorch's own: running = 0.9 * running + 0.1 * batch."""

_NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


def apply_repairs(model: PreTrainedModel, *, freshly_initialised: bool) -> tuple[str, ...]:
    """Repair a model in place and return a sentence for each kind of repair; scales only where they were just drawn."""
    repairs = [_repair_batch_norm_momentum(model)]
    if freshly_initialised:
        repairs.append(_repair_norm_scales(model))
    return tuple(sentence for sentence in repairs if sentence)


def _repair_batch_norm_momentum(model: PreTrainedModel) -> str | None:
    """EfficientNet (0.99), MobileNetV1 (0.9997), V2 (0.997) have TensorFlow's value, which PyTorch reads reversed."""
    norms = [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.momentum is not None and module.momentum > 0.5
    ]
    if not norms:
        return None
    found = ", ".join(f"{momentum:g}" for momentum in sorted({norm.momentum or 0.0 for norm in norms}))
    for norm in norms:
        norm.momentum = BATCH_NORM_MOMENTUM
    if getattr(model.config, "batch_norm_momentum", 0.0) > 0.5:
        model.config.batch_norm_momentum = BATCH_NORM_MOMENTUM  # so that an exported model trains soundly elsewhere
    return (
        f"momentum of {len(norms)} batch norms set from {found} to {BATCH_NORM_MOMENTUM:g}: "
        "PyTorch would have made the running statistics those of the last batch"
    )


@torch.no_grad()
def _repair_norm_scales(model: PreTrainedModel) -> str | None:
    """EfficientNet, MobileViT and MobileViTV2 draw scales from N(0, 0.02) like weights: the signal dies on its way.

    A constant scale is deliberate: 1, or 0 where a residual branch starts switched off.
    """
    norms = [module for module in model.modules() if isinstance(module, _NORMS) and _is_drawn(module.weight)]
    for norm in norms:
        nn.init.ones_(norm.weight)
        if isinstance(bias := getattr(norm, "bias", None), torch.Tensor):
            nn.init.zeros_(bias)
    if not norms:
        return None
    return f"scales of {len(norms)} norms set to 1: transformers had drawn them around 0, and then a model can't learn"


def _is_drawn(scale: torch.Tensor | None) -> bool:
    return scale is not None and bool(scale.min() != scale.max())
