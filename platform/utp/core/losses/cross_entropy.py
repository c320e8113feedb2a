"""Cross-entropy of the softmax, with label smoothing (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567)."""

from __future__ import annotations

from functools import partial

from torch import Tensor
from torch.nn import functional

from utp.core.losses.entries import CrossEntropyOptions
from utp.core.task import SampleLoss


def build(options: CrossEntropyOptions, *, is_training: bool) -> SampleLoss:
    """Return the loss: logits (N, C), targets int64 (N,) or float (N, C) -> (N,) float32; only training smooths."""
    return partial(_cross_entropy, label_smoothing=options.label_smoothing if is_training else 0.0)


def _cross_entropy(logits: Tensor, targets: Tensor, *, label_smoothing: float) -> Tensor:
    targets = targets.float() if targets.is_floating_point() else targets
    return functional.cross_entropy(logits.float(), targets, reduction="none", label_smoothing=label_smoothing)
