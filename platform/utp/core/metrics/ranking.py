"""How well the scores of one class rank its own samples above the others.

Sort once, and only what is not below the lowest positive; then look up the positives alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Bounds: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


class Ranking(NamedTuple):
    """Of each class (C,), float64; NaN where undefined."""

    average_precision: npt.NDArray[np.float64]
    """NaN for a class without samples."""
    auroc: npt.NDArray[np.float64]
    """NaN for a class without samples, and for one that has them all."""


class Wins(NamedTuple):
    """For each positive, in ascending order of score, int64."""

    below: npt.NDArray[np.int64]
    """Negatives below it."""
    level: npt.NDArray[np.int64]
    """Negatives of the same score."""
    peers_below: npt.NDArray[np.int64]
    """Positives below it."""


def sort_from(values: npt.NDArray[np.float32], lowest: np.float32) -> tuple[int, npt.NDArray[np.float32]]:
    """Sort in place what is not below `lowest`; return how many are below, and the sorted rest.

    The better the model, the less there is to sort; splitting costs a tenth of a full sort.
    """
    num_lower = int(np.count_nonzero(values < lowest))
    if num_lower == values.size:
        return num_lower, values[:0]
    values.partition(num_lower)
    upper = values[num_lower:]
    upper.sort()
    return num_lower, upper


def bounds(ascending: npt.NDArray[np.float32], values: npt.NDArray[np.float32]) -> Bounds:
    """Return how many are below, and how many not above, each of the ascending `values`, which all occur."""
    left = ascending.searchsorted(values)
    right = left + 1
    tied = ascending.take(right, mode="clip") == values
    tied &= right < ascending.size
    if tied.any():  # ties are rare, and half of the time is saved without them
        right[tied] = ascending.searchsorted(values[tied], "right")
    return left, right


def rank_classes(block: npt.NDArray[np.float32], rows_of_class: Sequence[npt.NDArray[np.int32]]) -> Ranking:
    """Rank some classes from their scores (classes, N), which are reordered, and the rows of each one's samples.

    Only sorting and looking up go class by class; the rest is done for all positives of the block at once.
    """
    num_classes, num_samples = block.shape
    support = np.array([rows.size for rows in rows_of_class])
    positives = np.empty(support.sum(), dtype=np.float32)
    below, up_to = np.empty((2, positives.size), dtype=np.int64)
    start = 0
    for column, rows in zip(block, rows_of_class, strict=True):
        own = slice(start, start + rows.size)
        positives[own] = np.sort(column[rows])
        below[own], up_to[own] = _look_up(column, positives[own])
        start = own.stop
    class_of = np.repeat(np.arange(num_classes), support)
    peers_below, peers_up_to = _bounds_within(class_of, positives)
    peers_above = support[class_of] - peers_below
    below -= peers_below
    level = up_to - peers_up_to - below
    num_negatives = num_samples - support
    # Positives of one score share a threshold, and so its precision: `average_precision_score`, ties included.
    precision = peers_above / (peers_above + num_negatives[class_of] - below)
    doubled_wins = np.bincount(class_of, 2 * below + level, num_classes)  # whole numbers: exact below 2 ** 53
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: a class without samples, or with all
        return Ranking(
            np.bincount(class_of, precision, num_classes) / support, doubled_wins / (2 * support * num_negatives)
        )


def area_under_roc(wins: Wins, num_negatives: int) -> float:
    """Return the share of (positive, negative) pairs ranked rightly, ties half."""
    doubled = int(2 * wins.below.sum() + wins.level.sum())  # integers: exact however the pairs are ordered
    return doubled / (2 * wins.below.size * num_negatives)


def _look_up(column: npt.NDArray[np.float32], positives: npt.NDArray[np.float32]) -> Bounds:
    """Return how many of a column are below, and how many not above, each of its own ascending positives."""
    if positives.size == 0:
        return positives.astype(np.int64), positives.astype(np.int64)
    num_lower, upper = sort_from(column, positives[0])
    below, up_to = bounds(upper, positives)
    return below + num_lower, up_to + num_lower


def _bounds_within(class_of: npt.NDArray[np.int64], positives: npt.NDArray[np.float32]) -> Bounds:
    """Return how many positives of the same class are below, and how many not above, each; ascending by class."""
    first_of_class = class_of.searchsorted(class_of)
    if positives.size == 0:
        return first_of_class, first_of_class
    is_new = np.r_[True, (positives[1:] != positives[:-1]) | (class_of[1:] != class_of[:-1])]
    starts = np.flatnonzero(is_new)
    score = np.cumsum(is_new) - 1
    ends = np.r_[starts[1:], positives.size]
    return starts[score] - first_of_class, ends[score] - first_of_class
