"""Focal loss of the softmax (Lin et al. 2017, https://arxiv.org/abs/1708.02002); class weights take alpha's place."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from utp.core.losses.entries import FocalOptions
from utp.core.losses.targets import class_shares
from utp.core.task import SampleLoss


def build(options: FocalOptions, *, is_training: bool) -> SampleLoss:
    """Return the loss: logits (N, C), targets int64 (N,) or float (N, C) -> (N,) float32; only training smooths."""
    smoothing = options.label_smoothing if is_training else 0.0
    return partial(_focal, gamma=options.gamma, label_smoothing=smoothing)


def _focal(logits: Tensor, targets: Tensor, *, gamma: float, label_smoothing: float) -> Tensor:
    log_probabilities = logits.float().log_softmax(dim=1)
    # 1 - p by expm1, not 1 - exp: a sure class keeps its digits. Clamped, since the power of 0 has no finite slope.
    missing = (-log_probabilities.expm1()).clamp(min=1e-7)
    shares = class_shares(targets, logits.shape[1], label_smoothing)
    return -(shares * missing.pow(gamma) * log_probabilities).sum(dim=1)
