"""Losses beside formulas written out by hand and timm's, on class indices and on mixed targets."""

from __future__ import annotations

import pytest
import torch
from timm.loss import BinaryCrossEntropy
from torch import Tensor
from torch.nn import functional

from utp.core.losses.entries import LOSSES
from utp.core.task import SampleLoss
from utp.errors import ConfigError

LABELS = torch.tensor([0, 3, 1, 3, 2])


def loss(name: str, *, is_training: bool = True, **options: float) -> SampleLoss:
    entry = LOSSES.get(name)
    built: SampleLoss = entry.load()(entry.check_options(options, "loss_options"), is_training=is_training)
    return built


def logits() -> Tensor:
    return torch.randn(5, 4, generator=torch.Generator().manual_seed(0)) * 3


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("name", LOSSES.names())
def test_hard_labels_and_their_one_hot_shares_give_the_same_loss(name: str, is_training: bool) -> None:
    smoothed = loss(name, is_training=is_training, label_smoothing=0.1)
    shares = functional.one_hot(LABELS, 4).double()
    torch.testing.assert_close(smoothed(logits(), LABELS), smoothed(logits(), shares))


@pytest.mark.parametrize("name", LOSSES.names())
def test_mixed_targets_give_a_number_per_sample_and_a_finite_gradient(name: str) -> None:
    given = (logits().bfloat16() * 50).requires_grad_()  # so sure that probabilities are 0 and 1
    losses = loss(name)(given, torch.full((5, 4), 0.25))
    assert (losses.shape, losses.dtype) == ((5,), torch.float32)
    losses.sum().backward()
    assert given.grad is not None
    assert torch.isfinite(given.grad).all()


@pytest.mark.parametrize("name", LOSSES.names())
def test_evaluation_does_not_smooth(name: str) -> None:
    plain, smoothed = (loss(name, is_training=False, label_smoothing=value) for value in (0.0, 0.3))
    torch.testing.assert_close(plain(logits(), LABELS), smoothed(logits(), LABELS), rtol=0, atol=0)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_without_gamma_is_cross_entropy(smoothing: float) -> None:
    focal = loss("focal", gamma=0.0, label_smoothing=smoothing)(logits(), LABELS)
    torch.testing.assert_close(focal, loss("cross_entropy", label_smoothing=smoothing)(logits(), LABELS))


def test_focal_is_the_papers_formula() -> None:
    p = logits().softmax(1)[range(5), LABELS]
    torch.testing.assert_close(loss("focal", gamma=1.5)(logits(), LABELS), -((1 - p) ** 1.5) * p.log())


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_of_a_perfect_sample_has_a_finite_gradient(gamma: float) -> None:
    sure = torch.tensor([[200.0, 0.0]], requires_grad=True)
    loss("focal", gamma=gamma)(sure, torch.tensor([0])).sum().backward()
    assert sure.grad is not None
    assert torch.isfinite(sure.grad).all()


@pytest.mark.parametrize(("smoothing", "threshold"), [(0.0, None), (0.1, None), (0.0, 0.2)])
def test_bce_is_that_of_timm(smoothing: float, threshold: float | None) -> None:
    peer = BinaryCrossEntropy(smoothing=smoothing, target_threshold=threshold)
    options = {"label_smoothing": smoothing} | ({"target_threshold": threshold} if threshold else {})
    torch.testing.assert_close(loss("bce", **options)(logits(), LABELS).mean(), peer(logits(), LABELS))
    if not smoothing:  # timm leaves the smoothing of mixed targets to its mixup
        mixed = torch.tensor([[0.7, 0.3, 0, 0], [0.9, 0, 0, 0.1]])
        torch.testing.assert_close(loss("bce", **options)(logits()[:2], mixed).mean(), peer(logits()[:2], mixed))


def test_smoothing_and_threshold_together_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"loss_options.target_threshold: makes every target 0 or 1, so label_smooth"):
        loss("bce", label_smoothing=0.1, target_threshold=0.2)
