"""How well the scores of one class rank its own samples above the others: sort once, look up the positives alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


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


def count_wins(ascending: npt.NDArray[np.float32], positives: npt.NDArray[np.float32]) -> Wins:
    """Count what is below and level with each positive; both ascending, the first contains the second."""
    below, up_to = bounds(ascending, positives)
    peers_below, peers_up_to = bounds(positives, positives)
    below = below - peers_below
    return Wins(below, up_to - peers_up_to - below, peers_below)


def bounds(
    ascending: npt.NDArray[np.float32], values: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return how many are below, and how many not above, each of the ascending `values`, which all occur."""
    in_order = values is ascending and not (values[1:] == values[:-1]).any()
    left = np.arange(values.size) if in_order else ascending.searchsorted(values)
    right = left + 1
    tied = ascending.take(right, mode="clip") == values
    tied &= right < ascending.size
    if tied.any():  # ties are rare, and half of the time is saved without them
        right[tied] = ascending.searchsorted(values[tied], "right")
    return left, right


def average_precision(wins: Wins, num_negatives: int) -> float:
    """Return the mean over the positives of the precision at their score, which is scikit-learn's step-wise sum.

    Positives of one score share a threshold, and so its precision: `average_precision_score`, ties included.
    """
    true_positives = wins.below.size - wins.peers_below
    return float(np.mean(true_positives / (true_positives + num_negatives - wins.below)))


def area_under_roc(wins: Wins, num_negatives: int) -> float:
    """Return the share of (positive, negative) pairs ranked rightly, ties half; NaN without negatives."""
    if num_negatives == 0:
        return float("nan")
    doubled = int(2 * wins.below.sum() + wins.level.sum())  # integers: exact however the pairs are ordered
    return doubled / (2 * wins.below.size * num_negatives)


def rank_class(column: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return average precision and AUROC of a class, from its scores (N,) and the rows of its samples."""
    if rows.size == 0:
        return float("nan"), float("nan")
    positives = np.sort(column[rows])
    num_negatives = column.size - rows.size
    wins = count_wins(np.sort(column), positives)
    return average_precision(wins, num_negatives), area_under_roc(wins, num_negatives)
