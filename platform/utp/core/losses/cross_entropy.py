"""Cross-entropy of the softmax, with label smoothing (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567)."""

from __future__ import annotations

from functools import partial

from torch import Tensor
from torch.nn import functional

from utp.core.losses.entries import CrossEntropyOptions
from utp.core.task import SampleLoss


def build(options: CrossEntropyOptions, *, is_training: bool) -> SampleLoss:
    """Return the loss: logits (N, C) of any float type, targets -> (N,) float32; only training smooths.

    Targets are labels (N,) int64, or shares (N, C) float32 that add up to 1.
    """
    return partial(_cross_entropy, label_smoothing=options.label_smoothing if is_training else 0.0)


def _cross_entropy(logits: Tensor, labels: Tensor, *, label_smoothing: float) -> Tensor:
    return functional.cross_entropy(logits.float(), labels, reduction="none", label_smoothing=label_smoothing)
