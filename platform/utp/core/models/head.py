"""Head and backbone of a classifier: which is which, freezing, and training with frozen parts."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import nn
from transformers import PreTrainedModel


def head_parameters(model: PreTrainedModel) -> dict[str, nn.Parameter]:
    """Return the head by name: all that lies outside the base model, or, where there is none, the label layers."""
    prefix = f"{model.base_model_prefix}."
    is_wrapped = model.base_model is not model
    labels = label_parameter_names(model)
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if name in labels or (is_wrapped and not name.startswith(prefix))
    }


def label_parameter_names(model: PreTrainedModel) -> frozenset[str]:
    """Return the parameters whose shape depends on the number of classes.

    Found by building one class more on the meta device: families name their classifiers differently (`classifier`,
    `classifier.1`, `fc`, `head` with `dist_head`), and a hidden layer may be as wide as there are classes.
    """
    config = copy.deepcopy(model.config)
    config.num_labels = len(model.config.id2label or ()) + 1
    with torch.device("meta"):
        twin = type(model)(config)
    shapes = {name: parameter.shape for name, parameter in twin.named_parameters()}
    return frozenset(name for name, parameter in model.named_parameters() if shapes[name] != parameter.shape)


def freeze_backbone(model: PreTrainedModel) -> None:
    """Let the head alone train."""
    head = head_parameters(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in head)


def set_training_mode(model: nn.Module) -> None:
    """Put a model in training mode, its frozen parts in evaluation mode.

    A batch norm in training mode moves its statistics though its weights are frozen, and dropout in a frozen
    backbone is noise to the head: both stay as loaded.
    """
    model.train()
    for module in _frozen_modules(model):
        module.eval()


def _frozen_modules(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the outermost modules that have parameters, none of which trains."""
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        yield module
        return
    for child in module.children():
        yield from _frozen_modules(child)
