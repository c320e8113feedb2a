"""Watches every step for NaN and infinity without making the host wait for the device."""

from __future__ import annotations

import torch
from torch import Tensor

from utp.errors import LossNotFinite


class FiniteGuard:
    """Remembers, on the device, the first step whose loss or gradient was not finite.

    `check` reads it back: every step on a CPU, where reading is free; at the logging interval, and before anything is
    evaluated or saved, on a GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._first_bad_step = torch.full((), -1, dtype=torch.int64, device=device)
        self._last_finite_loss = torch.full((), float("nan"), dtype=torch.float32, device=device)

    def observe(self, step: int, loss: Tensor, grad_norm: Tensor | None) -> Tensor:
        """Record one step; return `found_inf`, 1.0 from the first bad step on, else 0.0 (float32 scalar).

        A fused optimizer that is given `found_inf` skips its update, so that bad gradients never reach the weights.
        """
        bad = ~torch.isfinite(loss)
        if grad_norm is not None:
            bad = bad | ~torch.isfinite(grad_norm)
        is_first = (self._first_bad_step < 0) & bad
        self._first_bad_step = torch.where(is_first, step, self._first_bad_step)
        self._last_finite_loss = torch.where(self._first_bad_step < 0, loss.detach().float(), self._last_finite_loss)
        return (self._first_bad_step >= 0).float()

    def check(self, epoch: int) -> None:
        """Raise `LossNotFinite` with the exact step if any step so far was bad."""
        step = int(self._first_bad_step)
        if step >= 0:
            last = float(self._last_finite_loss)
            raise LossNotFinite(step, epoch, None if last != last else last)  # noqa: PLR0124 - NaN is not itself
