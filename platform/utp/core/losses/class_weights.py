"""Weights per class: what a sample of each class counts in the training loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from utp.core.losses.targets import class_shares
from utp.core.task import SampleLoss
from utp.errors import ConfigError

ClassWeights = Literal["balanced"] | Mapping[str, float]


def weigh_classes(asked: ClassWeights, classes: Sequence[str], labels: Iterable[int]) -> Tensor:
    """Return a weight per class, float32 (C,), whose mean over the training samples is 1.

    `balanced` gives n / (C * count) of C classes that have samples; by name, a class that is not named weighs 1.

    Raises:
        ConfigError: a weight names no class of the dataset.
    """
    counts = Counter(labels)
    if asked == "balanced":
        raw = [1 / counts[index] if counts[index] else 0.0 for index in range(len(classes))]
    else:
        _refuse_unknown(asked, classes)
        raw = [asked.get(name, 1.0) for name in classes]
    total = sum(raw[index] * count for index, count in counts.items())
    return torch.tensor(raw, dtype=torch.float64).mul(counts.total() / total).float()


class WeightedLoss:
    """A loss times the weight of each sample's class; a mixed target weighs by its share of each class.

    The loop takes sum(weight * loss) / number of samples, not / sum of weights: with weights of mean 1 over the
    training samples the two agree over an epoch, and micro-batches add up to the gradient of their whole.
    """

    def __init__(self, loss: SampleLoss, weights: Tensor) -> None:
        self._loss = loss
        self._weights = weights

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted loss per sample, float32 (N,)."""
        if self._weights.device != logits.device:  # once: a copy in each step would make the host wait for the device
            self._weights = self._weights.to(logits.device)
        if targets.is_floating_point():
            # No product of matrices: autocast would round weights and shares to bfloat16.
            return self._loss(logits, targets) * (class_shares(targets, logits.shape[1]) * self._weights).sum(dim=1)
        return self._loss(logits, targets) * self._weights[targets]


def _refuse_unknown(asked: Mapping[str, float], classes: Sequence[str]) -> None:
    if unknown := sorted(set(asked) - set(classes)):
        known = ", ".join(map(repr, classes[:20])) + (", ..." if len(classes) > 20 else "")
        raise ConfigError((f"class_weights: {unknown[0]!r} is no class of the dataset; classes: {known}",))
