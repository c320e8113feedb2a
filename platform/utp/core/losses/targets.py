"""Targets of a loss: class indices, or a share of each class where images were mixed."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def class_shares(targets: Tensor, num_classes: int, label_smoothing: float = 0.0) -> Tensor:
    """Return float32 (N, C) whose rows sum to 1, of int64 (N,) or float (N, C); smoothing spreads its share evenly."""
    shares = targets if targets.is_floating_point() else functional.one_hot(targets, num_classes)
    return shares.float() * (1 - label_smoothing) + label_smoothing / num_classes
