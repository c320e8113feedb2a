"""Watches every step for NaN and infinity without making the host wait for the device."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from utp.errors import LossNotFinite, TooManySkippedSteps


class FiniteGuard:
    """Remembers which steps' loss or gradient was not finite.

    On a GPU it does so on the device, and `check` reads it back at the logging interval and before anything is
    evaluated or saved. On a CPU reading is cheaper than computing with what was read, so each step is read at once.

    Args:
        device: where the loop computes.
        reads_each_step: whether the host looks at every step as it is made.
        max_skipped_steps: bad steps in a row that are skipped before the run fails; none means that the first fails it.
        skipped_in_a_row: how many the last steps before a resume were.
    """

    def __init__(
        self,
        device: torch.device,
        max_skipped_steps: int | None = None,
        skipped_in_a_row: int = 0,
        *,
        reads_each_step: bool = False,
    ) -> None:
        self.skipped_in_a_row = skipped_in_a_row
        self._max_skipped_steps = max_skipped_steps
        self._reads_each_step = reads_each_step
        # Steps since the last check: number, loss, and whether it was bad (1.0).
        self._unread: list[tuple[int, Tensor, Tensor | float]] = []
        self._any_bad = torch.zeros((), device=device)
        self._last_finite_loss: Tensor | None = None

    def observe(self, step: int, loss: Tensor, grad_norm: Tensor | None) -> Tensor | None:
        """Record one step; return `found_inf` (float32 scalar): 1.0 if the optimizer must not take this step.

        That is each bad step, and where bad steps are not skipped but fail the run, every step after one as well.
        A fused optimizer that is given `found_inf` skips its update, so that bad gradients never reach the weights.
        None if the host knows already that the step is sound.
        """
        if self._reads_each_step:
            return self._observe_on_host(step, loss, grad_norm)
        # 0 times a finite number is 0, and NaN otherwise: fewer kernels than isfinite of each.
        probe = loss * 0 if grad_norm is None else loss * 0 + grad_norm * 0
        bad = (probe != 0).float()
        self._unread.append((step, loss, bad))
        if self._max_skipped_steps is not None:
            return bad
        self._any_bad = torch.maximum(self._any_bad, bad)
        return self._any_bad

    def _observe_on_host(self, step: int, loss: Tensor, grad_norm: Tensor | None) -> Tensor | None:
        is_bad = not (math.isfinite(loss) and (grad_norm is None or math.isfinite(grad_norm)))
        self._unread.append((step, loss, float(is_bad)))
        return torch.ones_like(self._any_bad) if is_bad else None

    def check(self, epoch: int) -> tuple[int, ...]:
        """Return the bad steps since the last check, all skipped.

        Raises:
            LossNotFinite: the first bad step, where none is skipped.
            TooManySkippedSteps: more in a row than may be skipped.
        """
        if not self._unread:
            return ()
        unread, self._unread = self._unread, []
        skipped = []
        for (step, loss, _), is_bad in zip(unread, _read_flags([bad for _, _, bad in unread]), strict=True):
            self.skipped_in_a_row = self.skipped_in_a_row + 1 if is_bad else 0
            if not is_bad:
                self._last_finite_loss = loss
                continue
            if self._max_skipped_steps is None:
                raise LossNotFinite(step, epoch, self._read_last_finite_loss())
            if self.skipped_in_a_row > self._max_skipped_steps:
                raise TooManySkippedSteps(step, epoch, self._read_last_finite_loss(), self._max_skipped_steps)
            skipped.append(step)
        return tuple(skipped)

    def _read_last_finite_loss(self) -> float | None:
        return None if self._last_finite_loss is None else float(self._last_finite_loss)


def _read_flags(flags: list[Tensor | float]) -> list[float]:
    on_device = [flag for flag in flags if isinstance(flag, Tensor)]
    return torch.stack(on_device).tolist() if on_device else flags  # type: ignore[return-value]  # the one transfer


class BufferRollback:
    """Undoes what the forward passes of a skipped step did to a model's buffers, such as batch-norm statistics."""

    def __init__(self, model: nn.Module) -> None:
        self._buffers = list(model.buffers())
        self._saved = [buffer.clone() for buffer in self._buffers]

    def remember(self) -> None:
        """Copy the buffers, before a step."""
        for saved, buffer in zip(self._saved, self._buffers, strict=True):
            saved.copy_(buffer)

    def undo_if(self, is_bad: Tensor | None) -> None:
        """Put the copies back where `is_bad` is 1.0, on the device; None is a step known to be sound."""
        if is_bad is None:
            return
        for saved, buffer in zip(self._saved, self._buffers, strict=True):
            buffer.copy_(torch.where(is_bad > 0, saved, buffer))
