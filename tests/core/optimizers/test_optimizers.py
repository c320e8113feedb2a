"""Optimizers beside their papers' formulas, and what a gradient that is not finite does to the weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from utp.core.optimizers.entries import OPTIMIZERS

LR, DECAY = 0.01, 0.1


def build(name: str, parameters: list[nn.Parameter]) -> Optimizer:
    entry = OPTIMIZERS.get(name)
    groups = [{"params": parameters, "weight_decay": DECAY}]
    optimizer: Optimizer = entry.load()(groups, LR, entry.check_options({}, "optimizer_options"))
    return optimizer


def gradients() -> list[Tensor]:
    return list(torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(1)))


def train(optimizer: Optimizer, parameter: nn.Parameter) -> None:
    for gradient in gradients():
        parameter.grad = gradient.reshape(parameter.shape).clone()
        optimizer.step()


@pytest.mark.parametrize("shape", [(3, 2), (6,)])
def test_lamb_is_algorithm_2_of_its_paper(shape: tuple[int, ...]) -> None:
    parameter = nn.Parameter(torch.linspace(-1, 1, 6).reshape(shape))
    x = parameter.detach().double()
    m, v = torch.zeros_like(x), torch.zeros_like(x)
    for t, gradient in enumerate(gradients(), start=1):
        g = gradient.reshape(shape).double()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        direction = (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8) + DECAY * x
        ratio = x.norm() / direction.norm() if len(shape) > 1 else 1.0
        x = x - LR * ratio * direction
    train(build("lamb", [parameter]), parameter)
    torch.testing.assert_close(parameter.detach().double(), x, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("name", "oracle"), [("adamw", AdamW), ("adam", Adam)])
def test_fused_adam_is_torchs_bit_for_bit_and_skips_the_steps_it_is_told_to(name: str, oracle: type[Adam]) -> None:
    ours, theirs = ([nn.Parameter(torch.linspace(-1, 1, 6)), nn.Parameter(torch.ones(2, 3))] for _ in range(2))
    one, other = build(name, ours), oracle(theirs, lr=LR, weight_decay=DECAY, fused=True)
    for number, gradient in enumerate(gradients()):
        is_bad = number == 2
        for optimizer, parameters in ((one, ours), (other, theirs)):
            for parameter in parameters:
                parameter.grad = gradient.reshape(parameter.shape) * (math.nan if is_bad else 1)
            optimizer.found_inf = torch.ones(()) if is_bad else None  # type: ignore[attr-defined]
            optimizer.step()
    for parameter, twin in zip(ours, theirs, strict=True):
        assert torch.equal(parameter, twin)
        assert one.state[parameter].keys() == other.state[twin].keys()
        assert all(torch.equal(value, other.state[twin][key]) for key, value in one.state[parameter].items())


def test_lamb_moves_a_matrix_of_zeros() -> None:
    parameter = nn.Parameter(torch.zeros(3, 2))
    train(build("lamb", [parameter]), parameter)
    assert torch.isfinite(parameter).all()
    assert parameter.abs().min() > 0


def test_lion_is_algorithm_2_of_its_paper() -> None:
    parameter = nn.Parameter(torch.linspace(-1, 1, 6).reshape(3, 2))
    x, m = parameter.detach().double(), torch.zeros(3, 2, dtype=torch.float64)
    for g in (gradient.double() for gradient in gradients()):
        x = x - LR * ((0.9 * m + 0.1 * g).sign() + DECAY * x)
        m = 0.99 * m + 0.01 * g
    train(build("lion", [parameter]), parameter)
    torch.testing.assert_close(parameter.detach().double(), x, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_gradient_that_is_not_finite_never_reaches_weights_or_moments(name: str) -> None:
    """As on a GPU, where the loop finds out some steps later; `found_inf` stays 1 from the first bad step on."""
    parameter = nn.Parameter(torch.linspace(-1, 1, 6).reshape(3, 2))
    optimizer = build(name, [parameter])
    train(optimizer, parameter)
    optimizer.found_inf = torch.tensor(1.0)  # type: ignore[attr-defined]
    for bad in (math.nan, math.inf, 1.0):
        parameter.grad = torch.full((3, 2), bad)
        optimizer.step()
    assert torch.isfinite(parameter).all()
    assert all(torch.isfinite(value).all() for value in optimizer.state[parameter].values())
