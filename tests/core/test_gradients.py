"""Norm and clipping are torch's, bit for bit; the loop's way there is shorter."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from utp.core.gradients import Gradients


def trained_network(scale: float) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Return a network with gradients, one of its parameters without, in two groups."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 7), nn.Linear(7, 3), nn.Linear(3, 2))
    (network[1](network[0](torch.randn(4, 5))).square().sum() * scale).backward()
    vectors = [p for p in network.parameters() if p.ndim == 1]
    matrices = [p for p in network.parameters() if p.ndim > 1]
    return network, torch.optim.AdamW([{"params": matrices}, {"params": vectors}])


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6, float("inf")])
def test_clipping_is_torchs_bit_for_bit(scale: float) -> None:
    ours, optimizer = trained_network(scale)
    theirs, other = trained_network(scale)
    expected = clip_grad_norm_([p for group in other.param_groups for p in group["params"]], 0.5)
    gradients = Gradients(optimizer)
    total = gradients.total_norm()
    norm = gradients.clip(0.5)
    same = partial(torch.testing.assert_close, rtol=0, atol=0, equal_nan=True)
    same(total, expected)
    same(norm, expected)
    for mine, yours in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert (mine.grad is None) == (yours.grad is None)
        if mine.grad is not None:
            same(mine.grad, yours.grad)


def test_cleared_gradients_are_gone_and_have_no_norm() -> None:
    network, optimizer = trained_network(1.0)
    gradients = Gradients(optimizer)
    gradients.clear()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert float(gradients.clip(1.0)) == float(get_total_norm([])) == 0.0
