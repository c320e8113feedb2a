"""One-vs-all binary cross-entropy, as timm's `BinaryCrossEntropy` (ResNet strikes back, https://arxiv.org/abs/2110.00476)."""

from __future__ import annotations

from functools import partial

from torch import Tensor
from torch.nn import functional

from utp.core.losses.entries import BceOptions
from utp.core.losses.targets import class_shares
from utp.core.task import SampleLoss


def build(options: BceOptions, *, is_training: bool) -> SampleLoss:
    """Return the loss: logits (N, C), targets int64 (N,) or float (N, C) -> (N,) float32, the mean over the classes.

    Only training smooths and thresholds.
    """
    if not is_training:
        return partial(_bce, label_smoothing=0.0, target_threshold=None)
    return partial(_bce, label_smoothing=options.label_smoothing, target_threshold=options.target_threshold)


def _bce(logits: Tensor, targets: Tensor, *, label_smoothing: float, target_threshold: float | None) -> Tensor:
    shares = class_shares(targets, logits.shape[1], label_smoothing)
    if target_threshold is not None:
        shares = (shares > target_threshold).float()
    return functional.binary_cross_entropy_with_logits(logits.float(), shares, reduction="none").mean(dim=1)
