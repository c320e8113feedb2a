"""The average of the weights is what the formula says, and nothing that is no weight is averaged."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from utp.core.ema import Ema


def small_model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def shift(model: nn.Module, by: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(by)


def test_average_follows_the_formula_with_the_decay_warmed_up() -> None:
    model = small_model()
    ema = Ema(model, decay=0.5)
    expected = [parameter.detach().clone() for parameter in model.parameters()]
    for step in range(20):
        shift(model, 1.0)
        ema.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = [decay * e + (1 - decay) * p.detach() for e, p in zip(expected, model.parameters(), strict=True)]
    torch.testing.assert_close(list(ema.module.parameters()), expected)


@pytest.mark.parametrize(("step", "decay"), [(0, 0.1), (10, 0.55), (80, 0.9), (10_000, 0.9)])
def test_decay_rises_to_its_value(step: int, decay: float) -> None:
    assert Ema(small_model(), 0.9).decay_at(step) == pytest.approx(decay)


def test_batch_norm_statistics_are_averaged_and_the_count_of_batches_is_copied() -> None:
    model = small_model()
    ema = Ema(model, decay=0.9)
    norm, average = model[1], ema.module[1]
    model(torch.randn(8, 3) + 5)
    ema.update(step=0)
    torch.testing.assert_close(average.running_mean, 0.9 * norm.running_mean)
    assert average.num_batches_tracked == 1


def test_mask_of_infinities_stays_a_mask() -> None:
    model = small_model()
    model.register_buffer("mask", torch.full((2,), -math.inf))
    ema = Ema(model, decay=0.9)
    ema.update(step=0)
    assert torch.equal(ema.module.mask, torch.full((2,), -math.inf))


@pytest.mark.parametrize("is_bad", [False, True])
def test_skipped_step_leaves_the_average_alone(is_bad: bool) -> None:
    model = small_model()
    ema, twin = Ema(model, decay=0.9), Ema(model, decay=0.9)
    shift(model, 1.0)
    ema.update(3, torch.tensor(float(is_bad)))
    if not is_bad:
        twin.update(3)
    torch.testing.assert_close(list(ema.module.parameters()), list(twin.module.parameters()))


def test_training_model_is_untouched() -> None:
    model = small_model().train()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    ema = Ema(model, decay=0.9)
    ema.update(step=0)
    assert model.training
    assert not ema.module.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))
