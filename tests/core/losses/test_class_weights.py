"""Class weights: scikit-learn's `balanced`, mean 1 over the samples, and the classes of mixed targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional

from utp.core.losses.class_weights import WeightedLoss, weigh_classes
from utp.errors import ConfigError

CLASSES = ("apple", "kiwi", "pear")
LABELS = [0] * 6 + [1] * 3 + [2]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(logits, targets, reduction="none")


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=np.array(LABELS))
    assert weigh_classes("balanced", CLASSES, LABELS).tolist() == pytest.approx(theirs.tolist())


def test_class_without_images_has_no_say_in_balanced_weights() -> None:
    weights = weigh_classes("balanced", (*CLASSES, "plum"), LABELS)
    assert weights.tolist() == pytest.approx([*weigh_classes("balanced", CLASSES, LABELS).tolist(), 0])


def test_named_weights_keep_their_ratios_and_have_mean_1_over_the_images() -> None:
    weights = weigh_classes({"pear": 3.0, "kiwi": 0.5}, CLASSES, LABELS)
    assert weights[torch.tensor(LABELS)].mean().item() == pytest.approx(1)
    assert (weights / weights[0]).tolist() == pytest.approx([1, 0.5, 3])


def test_weight_of_an_unknown_class_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="class_weights: 'plum' is no class of the dataset; classes: 'apple', 'kiwi'"):
        weigh_classes({"plum": 2.0}, CLASSES, LABELS)


def test_mixed_targets_weigh_by_their_shares() -> None:
    loss = WeightedLoss(cross_entropy, torch.tensor([1.0, 2.0, 4.0]))
    logits, shares = torch.randn(2, 3), torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(loss(logits, shares), cross_entropy(logits, shares) * torch.tensor([1.5, 4.0]))
    hard = torch.tensor([1, 2])
    torch.testing.assert_close(loss(logits, hard), cross_entropy(logits, hard) * torch.tensor([2.0, 4.0]))


def test_weights_of_mixed_targets_are_not_rounded_under_autocast() -> None:
    weighted = WeightedLoss(lambda logits, targets: torch.ones(len(logits)), torch.tensor([0.3333, 1.2346, 1.7]))
    targets = torch.tensor([[0.3, 0.7, 0.0], [0.123, 0.5, 0.377]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = weighted(torch.zeros(2, 3), targets)
    assert found.dtype is torch.float32
    assert found.tolist() == pytest.approx([0.3 * 0.3333 + 0.7 * 1.2346, 0.123 * 0.3333 + 0.5 * 1.2346 + 0.377 * 1.7])
