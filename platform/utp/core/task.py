"""What the loop needs of a task, and all it knows of one: data, a model, a loss per micro-batch, an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn

from utp.core.data.corrupt import CorruptFile
from utp.core.device import Compute

if TYPE_CHECKING:  # a figure is drawn after an epoch; matplotlib would be imported before the first step
    import pyarrow
    from matplotlib.figure import Figure

SampleLoss = Callable[[Tensor, Tensor], Tensor]
"""Logits (N, C) of any float type and targets -> one float32 loss per sample (N,).

Targets are class indices, int64 (N,), or, where images were mixed, shares of each class, float (N, C), rows of sum 1.
"""

StopPoll = Callable[[], bool]


class StopRequested(Exception):
    """Raised inside an evaluation that is asked to stop; the loop saves and leaves."""


@dataclass(frozen=True)
class StepSums:
    """What one micro-batch adds up to, still on the device.

    `sums` are totals over the `num_samples` samples (scalars, float32); `loss` is one of them and has the gradient.
    """

    num_samples: int
    sums: Mapping[str, Tensor]

    def without_samples(self) -> StepSums:
        """Return sums that count nothing, with a gradient of 0."""
        return StepSums(0, {name: value * 0 for name, value in self.sums.items()})


@dataclass(frozen=True)
class Evaluation:
    """The result of one pass over a split: metric id to value (None where undefined), and what to draw or keep."""

    values: Mapping[str, float | None]
    facts: Mapping[str, str] = field(default_factory=dict)
    """What else its row says, such as the test-time augmentation."""
    tables: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Callable[[], Figure]] = field(default_factory=dict)
    """Drawn only when the evaluation is worth keeping."""
    predictions: Callable[[], pyarrow.Table] | None = None
    """What was predicted of each sample, a row each; none for a task that has no such table."""


class Task(Protocol):
    """One learning problem with its data, as the loop sees it."""

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Number of samples in each micro-batch of an epoch, over all workers; the same for every epoch."""
        ...

    @property
    def sum_names(self) -> tuple[str, ...]:
        """Keys of `StepSums.sums`; their means over the samples become `train_<name>`."""
        ...

    @property
    def has_test(self) -> bool:
        """Whether there is a test split."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """What a checkpoint must agree with to be resumed: label map and data fingerprint (JSON)."""
        ...

    def build_model(self) -> nn.Module:
        """Return the model on the CPU; a function of the config alone."""
        ...

    def set_training_mode(self, model: nn.Module) -> None:
        """Put the model into training mode; what is frozen stays in evaluation mode."""
        ...

    def train_batches(self, epoch: int, start_batch: int, compute: Compute) -> Iterator[Any]:
        """Yield the micro-batches of an epoch from `start_batch` on; with several workers, this one's part.

        A worker that has no part of a micro-batch is given one of its samples, of which `step` counts nothing.
        """
        ...

    def step(self, model: nn.Module, batch: Any, compute: Compute) -> StepSums:
        """Run forward and loss on one micro-batch."""
        ...

    def evaluate(
        self, model: nn.Module, split: str, compute: Compute, should_stop: StopPoll, views: str | None = None
    ) -> Evaluation:
        """Evaluate on `val` or `test`; `views` is a test-time augmentation other than the config's.

        With several workers the values are the same on all, and figures, tables and predictions are rank 0's alone.
        Every rank calls `should_stop` as often as the others.

        Raises `StopRequested`.
        """
        ...

    def watch_corrupt_files(self, listener: Callable[[CorruptFile], None]) -> None:
        """Tell `listener` once of each file of the data that can't be read and is left out."""
        ...

    def export(self, model: nn.Module, directory: Path, facts: Mapping[str, Any]) -> None:
        """Write the model as a folder that others load, with a card that states `facts`; whole or not at all."""
        ...

    def close(self) -> None:
        """End data loader processes."""
        ...
