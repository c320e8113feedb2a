"""`Ema`: a running average of the weights, which is what is evaluated and kept as best while the model trains on."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from utp.core.compilation import compile_in_place, is_compiled


class Ema:
    """Exponential moving average of a model, on its device: `average += (1 - decay) * (weights - average)`.

    Batch norm's running mean and variance are averaged like the weights (timm and TensorFlow's EfficientNet do so):
    the weights lag behind by some 1 / (1 - decay) steps, and statistics of the present weights would not fit them.
    Other buffers are copied: they are constants or counters, and a mask of -inf averages to NaN.

    Args:
        model: copied, gradients and training mode aside.
        decay: weight of the past in each update, above 0 and below 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.module = deepcopy(model).requires_grad_(False).eval()
        if is_compiled(model):
            compile_in_place(self.module)
        self._decay = decay
        self._averaged, self._sources, self._copied = _pair_tensors(self.module, model)

    @torch.no_grad()
    def update(self, step: int, is_bad: Tensor | None = None) -> None:
        """Take the weights in after an optimizer step.

        Args:
            step: optimizer steps done before this one; early ones decay faster, as `decay_at` says.
            is_bad: 1.0 on the device if the step was skipped, then the average stays; None if no step is skipped.
        """
        weight = 1 - self.decay_at(step)
        if is_bad is None:
            torch.foreach.lerp_(self._averaged, self._sources, weight)
        else:  # a list, since a lone tensor would be read back to the host
            torch.foreach.lerp_(self._averaged, self._sources, [weight * (1 - is_bad)] * len(self._averaged))
        for target, source in self._copied:
            target.copy_(source)

    def decay_at(self, step: int) -> float:
        """Return the decay of an update: min(decay, (1 + step) / (10 + step)), TensorFlow's warm-up.

        Without it the random or pretrained weights at the start would stay in the average for 1 / (1 - decay) steps.
        """
        return min(self._decay, (1 + step) / (10 + step))


def _pair_tensors(
    average: nn.Module, model: nn.Module
) -> tuple[list[Tensor], list[Tensor], list[tuple[Tensor, Tensor]]]:
    targets: list[Tensor] = list(average.parameters())
    sources: list[Tensor] = list(model.parameters())
    copied = []
    for (name, target), source in zip(average.named_buffers(), model.buffers(), strict=True):
        if name.endswith(("running_mean", "running_var")):
            targets.append(target)
            sources.append(source)
        else:
            copied.append((target, source))
    return targets, sources, copied
