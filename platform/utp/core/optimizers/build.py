"""Builds a run's optimizer and moves its learning rate."""

from __future__ import annotations

from torch import nn
from torch.optim import Optimizer

from utp.config.train import TrainConfig
from utp.core.optimizers.entries import OPTIMIZERS
from utp.core.optimizers.param_groups import split_parameters


def build_optimizer(config: TrainConfig, model: nn.Module) -> Optimizer:
    """Return the config's optimizer over the model's trainable parameters."""
    entry = OPTIMIZERS.get(config.optimizer)
    options = entry.check_options(config.optimizer_options, "optimizer_options")
    groups = split_parameters(model, config.weight_decay, config.layer_decay)
    optimizer: Optimizer = entry.load()(groups, config.lr, options)
    return optimizer


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    """Set the rate of the next step in every group, times the group's `lr_scale` where it has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)
