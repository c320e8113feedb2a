"""Splits a model's parameters into one group with weight decay and one without."""

from __future__ import annotations

from typing import Any

from torch import nn

ParamGroup = dict[str, Any]

# Embeddings of position and class are learnt vectors per place, not weights that multiply an input: decaying them pulls
# the model towards forgetting where a patch is. timm leaves them out too (`no_weight_decay` of its ViT and Swin).
_NO_DECAY_NAMES = (
    "cls_token",
    "distillation_token",
    "position_embeddings",
    "relative_position_bias_table",
    "mask_token",
)


def split_parameters(model: nn.Module, weight_decay: float) -> list[ParamGroup]:
    """Return groups in which each trainable parameter is exactly once; frozen ones are in none.

    Weight decay goes to matrices and kernels, not to biases, norm scales and other vectors.
    """
    decay: list[nn.Parameter] = []
    no_decay: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():  # a shared parameter is named once
        if parameter.requires_grad:
            (decay if takes_decay(name, parameter) else no_decay).append(parameter)
    groups = [
        {"params": decay, "weight_decay": weight_decay},
        {"params": no_decay, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def takes_decay(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies to this parameter."""
    return parameter.ndim > 1 and not name.endswith(_NO_DECAY_NAMES)
