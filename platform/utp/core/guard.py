"""Watches every step for NaN and infinity without making the host wait for the device."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from utp.errors import LossNotFinite, TooManySkippedSteps


class FiniteGuard:
    """Remembers, on the device, which steps' loss or gradient was not finite.

    `check` reads it back: every step on a CPU, where reading is free; at the logging interval, and before anything is
    evaluated or saved, on a GPU.

    Args:
        device: where the loop computes.
        max_skipped_steps: bad steps in a row that are skipped before the run fails; none means that the first fails it.
        skipped_in_a_row: how many the last steps before a resume were.
    """

    def __init__(self, device: torch.device, max_skipped_steps: int | None = None, skipped_in_a_row: int = 0) -> None:
        self.skipped_in_a_row = skipped_in_a_row
        self._max_skipped_steps = max_skipped_steps
        self._unread: list[tuple[int, Tensor]] = []  # steps since the last check, and whether each was bad
        self._any_bad = torch.zeros((), dtype=torch.bool, device=device)
        self._last_finite_loss = torch.full((), float("nan"), dtype=torch.float32, device=device)

    def observe(self, step: int, loss: Tensor, grad_norm: Tensor | None) -> Tensor:
        """Record one step; return `found_inf` (float32 scalar): 1.0 if the optimizer must not take this step.

        That is each bad step, and where bad steps are not skipped but fail the run, every step after one as well.
        A fused optimizer that is given `found_inf` skips its update, so that bad gradients never reach the weights.
        """
        bad = ~torch.isfinite(loss)
        if grad_norm is not None:
            bad = bad | ~torch.isfinite(grad_norm)
        self._unread.append((step, bad))
        self._any_bad = self._any_bad | bad
        refused = self._any_bad if self._max_skipped_steps is None else bad
        self._last_finite_loss = torch.where(refused, self._last_finite_loss, loss.detach().float())
        return refused.float()

    def check(self, epoch: int) -> tuple[int, ...]:
        """Return the bad steps since the last check, all skipped.

        Raises:
            LossNotFinite: the first bad step, where none is skipped.
            TooManySkippedSteps: more in a row than may be skipped.
        """
        if not self._unread:
            return ()
        flags = torch.stack([bad for _, bad in self._unread]).tolist()  # the one transfer
        steps = [step for step, _ in self._unread]
        self._unread.clear()
        skipped = []
        for step, is_bad in zip(steps, flags, strict=True):
            self.skipped_in_a_row = self.skipped_in_a_row + 1 if is_bad else 0
            if not is_bad:
                continue
            if self._max_skipped_steps is None:
                raise LossNotFinite(step, epoch, self._read_last_finite_loss())
            if self.skipped_in_a_row > self._max_skipped_steps:
                raise TooManySkippedSteps(step, epoch, self._read_last_finite_loss(), self._max_skipped_steps)
            skipped.append(step)
        return tuple(skipped)

    def _read_last_finite_loss(self) -> float | None:
        last = float(self._last_finite_loss)
        return None if last != last else last  # noqa: PLR0124 - NaN is not itself


class BufferRollback:
    """Undoes what the forward passes of a skipped step did to a model's buffers, such as batch-norm statistics."""

    def __init__(self, model: nn.Module) -> None:
        self._buffers = list(model.buffers())
        self._saved = [buffer.clone() for buffer in self._buffers]

    def remember(self) -> None:
        """Copy the buffers, before a step."""
        for saved, buffer in zip(self._saved, self._buffers, strict=True):
            saved.copy_(buffer)

    def undo_if(self, is_bad: Tensor) -> None:
        """Put the copies back where `is_bad` is 1.0, on the device."""
        for saved, buffer in zip(self._saved, self._buffers, strict=True):
            buffer.copy_(torch.where(is_bad > 0, saved, buffer))
