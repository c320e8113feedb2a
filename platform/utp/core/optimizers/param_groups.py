"""Splits a model's parameters into groups with and without weight decay, per depth where rates fall with it."""

from __future__ import annotations

from typing import Any

from torch import nn

from utp.core.optimizers.layer_depth import layer_depths
from utp.errors import ConfigError

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


def split_parameters(model: nn.Module, weight_decay: float, layer_decay: float | None = None) -> list[ParamGroup]:
    """Return groups in which each trainable parameter is exactly once; frozen ones are in none.

    Weight decay goes to matrices and kernels, not to biases, norm scales and other vectors. With `layer_decay` a group
    has a `lr_scale`: 1 for the head, times `layer_decay` for each block further down.

    Raises:
        ConfigError: `layer_decay` on a model in which no blocks are found.
    """
    if layer_decay is not None:
        return _split_by_depth(model, weight_decay, layer_decay)
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


def _split_by_depth(model: nn.Module, weight_decay: float, layer_decay: float) -> list[ParamGroup]:
    depths = layer_depths(model)
    if not depths:
        raise ConfigError((f"layer_decay: {type(model).__name__} has no list of blocks to count; leave it out",))
    groups: dict[tuple[int, bool], ParamGroup] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            depth, decays = depths[name], takes_decay(name, parameter)
            scale = layer_decay ** (max(depths.values()) - depth)
            new = {"params": [], "weight_decay": weight_decay if decays else 0.0, "lr_scale": scale}
            groups.setdefault((depth, decays), new)["params"].append(parameter)
    return [groups[key] for key in sorted(groups)]


def takes_decay(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies to this parameter."""
    return parameter.ndim > 1 and not name.endswith(_NO_DECAY_NAMES)
