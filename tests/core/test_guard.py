"""The first bad step is remembered exactly, also when nobody looks for many steps."""

from __future__ import annotations

import math
import pickle

import pytest
import torch

from utp.core.guard import BufferRollback, FiniteGuard
from utp.errors import LossNotFinite, TooManySkippedSteps


def observe(guard: FiniteGuard, losses: list[float], norms: list[float | None] | None = None) -> list[float]:
    """Return `found_inf` of each step, as a number; None, for a step known to be sound, is 0.0."""
    norms = norms or [1.0] * len(losses)
    flags = [
        guard.observe(step, torch.tensor(loss), None if norm is None else torch.tensor(norm))
        for step, (loss, norm) in enumerate(zip(losses, norms, strict=True), start=1)
    ]
    return [0.0 if flag is None else float(flag) for flag in flags]


def test_finite_steps_pass() -> None:
    guard = FiniteGuard(torch.device("cpu"))
    assert observe(guard, [1.0, 0.5]) == [0.0, 0.0]
    guard.check(epoch=1)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_first_bad_step_and_last_finite_loss_are_told_later(bad: float) -> None:
    guard = FiniteGuard(torch.device("cpu"))
    assert observe(guard, [1.0, 0.5, bad, 0.25, bad]) == [0.0, 0.0, 1.0, 1.0, 1.0]
    with pytest.raises(LossNotFinite) as caught:
        guard.check(epoch=2)
    assert (caught.value.step, caught.value.epoch, caught.value.last_finite_loss) == (3, 2, 0.5)


@pytest.mark.parametrize("norm", [1.0, None])
def test_host_that_reads_each_step_makes_no_tensor_for_a_sound_one(norm: float | None) -> None:
    guard = FiniteGuard(torch.device("cpu"), reads_each_step=True)
    gradient = None if norm is None else torch.tensor(norm)
    assert guard.observe(1, torch.tensor(0.5), gradient) is None
    guard.check(epoch=1)
    refused = guard.observe(2, torch.tensor(math.nan), gradient)
    assert refused is not None
    assert float(refused) == 1.0
    with pytest.raises(LossNotFinite) as caught:
        guard.check(epoch=1)
    assert (caught.value.step, caught.value.last_finite_loss) == (2, 0.5)


def test_largest_numbers_are_finite_to_a_guard_on_the_device() -> None:
    largest = torch.finfo(torch.float32).max
    assert observe(FiniteGuard(torch.device("cpu")), [largest, -largest], [largest, 0.0]) == [0.0, 0.0]


@pytest.mark.fault  # row 44
def test_bad_gradient_counts_though_the_loss_is_finite() -> None:
    guard = FiniteGuard(torch.device("cpu"))
    observe(guard, [1.0, 0.5], [1.0, math.inf])
    with pytest.raises(LossNotFinite, match="step 2"):
        guard.check(epoch=1)


@pytest.mark.parametrize("reads_each_step", [False, True])
def test_skipping_guard_refuses_each_bad_step_alone_and_names_them(reads_each_step: bool) -> None:
    guard = FiniteGuard(torch.device("cpu"), max_skipped_steps=2, reads_each_step=reads_each_step)
    assert observe(guard, [1.0, math.nan, 0.5, math.inf, math.nan, 0.25]) == [0.0, 1.0, 0.0, 1.0, 1.0, 0.0]
    assert guard.check(epoch=1) == (2, 4, 5)
    assert guard.check(epoch=1) == ()


def test_bad_steps_in_a_row_are_counted_across_checks_and_end_the_run() -> None:
    guard = FiniteGuard(torch.device("cpu"), max_skipped_steps=2, skipped_in_a_row=1)
    observe(guard, [math.nan])
    assert guard.check(epoch=1) == (1,)
    observe(guard, [math.nan])
    with pytest.raises(TooManySkippedSteps, match="The 2 steps before it were skipped") as caught:
        guard.check(epoch=1)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_buffers_of_a_bad_step_are_put_back_and_those_of_a_good_one_stay() -> None:
    norm = torch.nn.BatchNorm1d(2)
    rollback = BufferRollback(norm)
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    for is_bad in (True, False):
        rollback.remember()
        norm(torch.full((4, 2), math.nan if is_bad else 3.0))
        rollback.undo_if(torch.tensor(float(is_bad)))
        same = [torch.equal(before[name], buffer) for name, buffer in norm.named_buffers()]
        assert same == [is_bad] * 3


def test_very_first_step_has_no_finite_loss_before_it() -> None:
    guard = FiniteGuard(torch.device("cpu"))
    observe(guard, [math.nan])
    with pytest.raises(LossNotFinite, match="there was no finite one before it"):
        guard.check(epoch=1)
