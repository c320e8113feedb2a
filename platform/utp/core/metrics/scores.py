"""`ClassificationScores`: the logits of a whole split, and what the metrics share, each piece computed once.

Rows are walked in chunks and classes in blocks, so memory above the logits stays at a part of them and at some 20
megabytes a thread (one block of many is at least 16 classes: 64 bytes, the line that a row's read costs anyway).

Scores are ranked by log-probability in float32, `(logit - max) - log1p(sum of the others)`: neither term is above
zero, so nothing cancels, and a confident model's probabilities, which softmax rounds to a tie at 1, stay apart.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from utp.core.metrics.ranking import Ranking, rank_classes
from utp.errors import ModelDiverged

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Result = TypeVar("Result")

CHUNK_ELEMENTS = 1 << 17
"""Most logits that a chunk of rows holds: 512 KiB, so that its passes stay in the cache."""
MIN_CHUNKS = 4
"""Small splits are cut too, into so many chunks and blocks: their copies would weigh as much as the logits."""
BLOCK_ELEMENTS = 1 << 22
"""Most logits that a block of classes holds: 16 MiB. Wide blocks are read faster: a row's lines follow each other."""
MAX_BLOCKS = 16
MIN_BLOCKS = 5
MIN_BLOCK_CLASSES = 16
FEW_CLASSES = 32
"""Up to so many, facts of a row are found column by column."""
TRANSPOSED_ROWS = 2048
"""Rows that are turned into columns at a time: their cache lines, one a row, are still at hand for the next class."""


class ClassCounts(NamedTuple):
    """Samples of each class (C,), int64: labelled so, predicted so, both."""

    support: IntArray
    predicted: IntArray
    hits: IntArray


class Top(NamedTuple):
    """The K most probable classes of each sample, best first."""

    classes: IntArray
    """(N, K) int64."""
    probabilities: FloatArray
    """(N, K) float32, softmax."""


@dataclass(frozen=True, eq=False)
class _RowFacts:
    """What one pass over the rows gives, (N,) each."""

    predicted: IntArray
    place: IntArray
    peak: FloatArray
    log_sum: FloatArray
    """Log of the sum of `exp(logit - peak)`: log1p of it without the predicted class, which would add exactly 1."""


class ClassificationScores:
    """Logits (N, C) float32 and labels (N,) int64 of a split; optionally each sample's loss and index, (N,).

    Arrays are numpy or torch on any device, are cast to these types, and must not change afterwards.

    Raises:
        ValueError: shapes that do not fit, a label outside 0..C-1.
        ModelDiverged: logits or losses that are not finite.
    """

    def __init__(
        self,
        logits: npt.ArrayLike | torch.Tensor,
        labels: npt.ArrayLike | torch.Tensor,
        *,
        losses: npt.ArrayLike | torch.Tensor | None = None,
        indices: npt.ArrayLike | torch.Tensor | None = None,
    ) -> None:
        self.logits: FloatArray = _as_array(logits, np.float32)
        self.labels: IntArray = _as_array(labels, np.int64)
        self.losses: FloatArray | None = None if losses is None else _as_array(losses, np.float32)
        self.indices: IntArray | None = None if indices is None else _as_array(indices, np.int64)
        self._check()

    @property
    def num_samples(self) -> int:
        """Rows of the logits."""
        return int(self.logits.shape[0])

    @property
    def num_classes(self) -> int:
        """Columns of the logits."""
        return int(self.logits.shape[1])

    @property
    def predicted(self) -> IntArray:
        """Class of the highest logit (N,), int64; of equal ones the lowest index."""
        return self._row_facts.predicted

    @property
    def place(self) -> IntArray:
        """Place of the true class among the logits (N,), int64, from 0; of equal ones the lower index comes first."""
        return self._row_facts.place

    @property
    def confidence(self) -> DoubleArray:
        """Probability of the predicted class (N,), float64."""
        return np.exp(-self._row_facts.log_sum.astype(np.float64))

    @property
    def true_log_probability(self) -> FloatArray:
        """Log-probability of the true class (N,), float32, to the bit as in `log_probabilities`."""
        own = np.take_along_axis(self.logits, self.labels[:, None], axis=1)[:, 0]
        log_probability: FloatArray = (own - self._row_facts.peak) - self._row_facts.log_sum
        return log_probability

    def top(self, num_top: int) -> Top:
        """Return the classes of the highest logits, best first, and their probabilities; of equal ones the lower class.

        Raises:
            ValueError: `num_top` is not within 1..C.
        """
        if not 1 <= num_top <= self.num_classes:
            raise ValueError(f"num_top must be within 1..{self.num_classes}, the number of classes, got {num_top}")
        top = Top(np.empty((self.num_samples, num_top), np.int64), np.empty((self.num_samples, num_top), np.float32))
        size = max(1, CHUNK_ELEMENTS // self.num_classes)
        _map_threaded(lambda chunk: self._fill_top(top, chunk), _slices(self.num_samples, size))
        return top

    @cached_property
    def counts(self) -> ClassCounts:
        """Samples per class: labelled, predicted, both. Never C x C: that is 3.5 GB for 21 thousand classes."""
        classes = self.num_classes
        right = self.labels[self.predicted == self.labels]
        return ClassCounts(
            np.bincount(self.labels, minlength=classes),
            np.bincount(self.predicted, minlength=classes),
            np.bincount(right, minlength=classes),
        )

    @cached_property
    def ranking(self) -> Ranking:
        """Average precision and AUROC of each class against the rest."""
        order = np.argsort(self.labels, kind="stable").astype(np.int32)
        rows_of_class = np.split(order, np.cumsum(self.counts.support)[:-1])

        def rank_block(classes: slice) -> Ranking:
            return rank_classes(self.log_probabilities(classes), rows_of_class[classes])

        return Ranking(*map(np.concatenate, zip(*self.map_class_blocks(rank_block), strict=True)))

    def log_probabilities(self, classes: slice) -> FloatArray:
        """Return log softmax of some classes, (classes, N) float32, a new array, class by class in memory."""
        wanted = self.logits[:, classes].T
        block = np.empty(wanted.shape, dtype=np.float32)
        for rows in _slices(self.num_samples, TRANSPOSED_ROWS):
            np.subtract(wanted[:, rows], self._row_facts.peak[rows], out=block[:, rows])
            block[:, rows] -= self._row_facts.log_sum[rows]
        return block

    def map_class_blocks(self, function: Callable[[slice], Result]) -> list[Result]:
        """Apply `function` to slices that cover the classes, in threads, and return its results in class order."""
        # A sixteenth of the classes if that is not too much; at least a line of the cache, or a fifth of them.
        share = min(self.num_classes // MAX_BLOCKS, BLOCK_ELEMENTS // max(1, self.num_samples))
        size = max(share, min(MIN_BLOCK_CLASSES, -(-self.num_classes // MIN_BLOCKS)))
        return _map_threaded(function, _slices(self.num_classes, size))

    @cached_property
    def _row_facts(self) -> _RowFacts:
        rows = self.num_samples
        facts = _RowFacts(
            np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.float32), np.empty(rows, np.float32)
        )
        size = max(1, min(CHUNK_ELEMENTS // self.num_classes, -(-rows // MIN_CHUNKS)))
        _map_threaded(lambda chunk: self._fill_rows(facts, chunk), _slices(rows, size))
        return facts

    def _fill_rows(self, facts: _RowFacts, chunk: slice) -> None:
        logits, labels = self.logits[chunk], self.labels[chunk]
        predicted, peak, others = _peaks_of_few(logits) if self.num_classes <= FEW_CLASSES else _peaks(logits)
        facts.predicted[chunk] = predicted
        facts.peak[chunk] = peak
        facts.log_sum[chunk] = np.log1p(others)
        missed = np.flatnonzero(predicted != labels)
        facts.place[chunk] = 0
        facts.place[chunk][missed] = _places(logits[missed], labels[missed])

    def _fill_top(self, top: Top, chunk: slice) -> None:
        # One argmax per place: numpy's takes the first of equal ones, which a partial sort does not.
        left, facts = self.logits[chunk].copy(), self._row_facts
        for place in range(top.classes.shape[1]):
            best = left.argmax(axis=1)[:, None]
            logits = np.take_along_axis(left, best, axis=1)[:, 0]
            np.put_along_axis(left, best, -np.inf, axis=1)
            top.classes[chunk, place] = best[:, 0]
            top.probabilities[chunk, place] = np.exp((logits - facts.peak[chunk]) - facts.log_sum[chunk])

    def _check(self) -> None:
        if self.logits.ndim != 2 or self.num_classes == 0:
            raise ValueError(
                f"logits must be (samples, classes) with at least one class, got shape {self.logits.shape}"
            )
        for name, values in (("labels", self.labels), ("losses", self.losses), ("indices", self.indices)):
            if values is not None and values.shape != (self.num_samples,):
                raise ValueError(f"{name} must be ({self.num_samples},) like the logits, got shape {values.shape}")
        _refuse_not_finite("logits", self.logits)
        if self.losses is not None:
            _refuse_not_finite("losses", self.losses)
        outside = np.flatnonzero((self.labels < 0) | (self.labels >= self.num_classes))
        if outside.size:
            raise ValueError(
                f"labels: {outside.size} of {self.num_samples} lie outside 0..{self.num_classes - 1}, "
                f"the first is {self.labels[outside[0]]} in row {outside[0]}; the model has too few classes"
            )


def _peaks(logits: FloatArray) -> tuple[IntArray, FloatArray, DoubleArray]:
    """Return of each row its first highest column, that logit, and the sum of `exp(logit - peak)` of the others."""
    rows = np.arange(logits.shape[0])
    predicted = logits.argmax(axis=1)  # numpy takes the first of equal ones
    peak = logits[rows, predicted]
    exponentials = logits - peak[:, None]
    np.exp(exponentials, out=exponentials)  # torch's is faster, but brings threads of its own into these
    exponentials[rows, predicted] = 0
    return predicted, peak, exponentials.sum(axis=1, dtype=np.float64)


def _peaks_of_few(logits: FloatArray) -> tuple[IntArray, FloatArray, DoubleArray]:
    """Return what `_peaks` does, column by column: a row of few is too short for numpy to walk it fast."""
    columns = logits.T.copy()  # of one row, and of one class, no other order would be a copy
    peak = columns.max(axis=0)
    predicted = (columns == peak).argmax(axis=0)
    columns -= peak
    np.exp(columns, out=columns)
    columns[predicted, np.arange(peak.size)] = 0
    return predicted, peak, columns.sum(axis=0, dtype=np.float64)


def _places(logits: FloatArray, labels: IntArray) -> IntArray:
    own = logits[np.arange(labels.size), labels][:, None]
    places: IntArray = (logits > own).sum(axis=1, dtype=np.int64)
    if np.count_nonzero(logits >= own) > places.sum() + labels.size:  # ties are rare: look closer only then
        earlier = np.arange(logits.shape[1]) < labels[:, None]
        places += np.count_nonzero((logits == own) & earlier, axis=1)
    return places


def _as_array(values: npt.ArrayLike | torch.Tensor, dtype: type[Any]) -> npt.NDArray[Any]:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = values.float().numpy() if values.is_floating_point() else values.numpy()  # numpy has no bfloat16
    return np.ascontiguousarray(values, dtype=dtype)


def _refuse_not_finite(name: str, values: FloatArray) -> None:
    if values.size == 0 or (np.isfinite(values.min()) and np.isfinite(values.max())):  # min and max pass a NaN on
        return
    num_bad = values.size - np.count_nonzero(np.isfinite(values))
    raise ModelDiverged(f"{name}: {num_bad} of {values.size} values are")


def _slices(total: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]


def _map_threaded(function: Callable[[slice], Result], slices: list[slice]) -> list[Result]:
    """Run over slices in as many threads as torch has; numpy lets go of the interpreter, and results are the same."""
    num_threads = min(torch.get_num_threads(), len(slices))
    if num_threads <= 1:
        return [function(part) for part in slices]
    with ThreadPoolExecutor(num_threads) as pool:
        return list(pool.map(function, slices))
