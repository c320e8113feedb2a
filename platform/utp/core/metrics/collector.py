"""Gathers a split's logits batch by batch and puts them in the order of the dataset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from utp.core.metrics.scores import ClassificationScores, FloatArray, IntArray

Scalar = TypeVar("Scalar", bound=np.generic)


class ScoreCollector:
    """Takes batches in any order; `collect` gives one row per sample in index order.

    So batch size, worker count and the order of ranks change nothing, and a sample that a distributed sampler
    repeats to fill the last batch counts once.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._logits: list[FloatArray] = []
        self._labels: list[IntArray] = []
        self._losses: list[FloatArray] = []
        self._indices: list[IntArray] = []

    def add(self, logits: torch.Tensor, labels: torch.Tensor, losses: torch.Tensor, indices: torch.Tensor) -> None:
        """Add a batch: logits (B, C), labels, losses and dataset indices (B,); copied, as float32 and int64.

        Raises:
            ValueError: logits that are not (B, num_classes), or parts of different length.
        """
        if logits.ndim != 2 or logits.shape[1] != self.num_classes:
            raise ValueError(f"logits must be (batch, {self.num_classes}), got shape {tuple(logits.shape)}")
        for name, part in (("labels", labels), ("losses", losses), ("indices", indices)):
            if part.shape != logits.shape[:1]:
                raise ValueError(f"{name} must be ({logits.shape[0]},) like the logits, got shape {tuple(part.shape)}")
        self._logits.append(_copy(logits, torch.float32))
        self._labels.append(_copy(labels, torch.int64))
        self._losses.append(_copy(losses, torch.float32))
        self._indices.append(_copy(indices, torch.int64))

    def take_batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Yield what was added, batch by batch, letting go of each."""
        while self._logits:
            parts = (self._logits.pop(0), self._labels.pop(0), self._losses.pop(0), self._indices.pop(0))
            logits, labels, losses, indices = (torch.from_numpy(part) for part in parts)
            yield logits, labels, losses, indices

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """Rows of each batch that was added."""
        return tuple(len(labels) for labels in self._labels)

    def collect(self) -> ClassificationScores:
        """Return all rows in index order and empty the collector; of rows with the same index the first is kept."""
        indices = _join(self._indices, np.int64)
        kept, first_rows = np.unique(indices, return_index=True)
        labels = _join(self._labels, np.int64)[first_rows]
        losses = _join(self._losses, np.float32)[first_rows]
        return ClassificationScores(self._place_logits(first_rows, indices.size), labels, losses=losses, indices=kept)

    def _place_logits(self, first_rows: IntArray, num_rows: int) -> FloatArray:
        """Move the batches to their places, letting go of each at once, so that two copies never exist in full."""
        target = np.full(num_rows, -1, dtype=np.int64)
        target[first_rows] = np.arange(first_rows.size)
        placed = np.empty((first_rows.size, self.num_classes), dtype=np.float32)
        start = 0
        self._logits.reverse()
        while self._logits:
            batch = self._logits.pop()
            rows = target[start : start + len(batch)]
            placed[rows[rows >= 0]] = batch[rows >= 0]
            start += len(batch)
        return placed


def _copy(values: torch.Tensor, dtype: torch.dtype) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = values.detach().to(device="cpu", dtype=dtype, copy=True).numpy()
    return array


def _join(parts: list[npt.NDArray[Scalar]], dtype: type[Scalar]) -> npt.NDArray[Scalar]:
    """Join the parts and empty their list."""
    joined = np.concatenate([np.empty(0, dtype), *parts])
    parts.clear()
    return joined
