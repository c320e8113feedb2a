"""How well the scores of one class rank its own samples above the others.

Sort once, and only what is not below the lowest positive; then look up the positives alone.
"""

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
    """Return average precision and AUROC of a class from its scores (N,), which it reorders, and its samples' rows."""
    if rows.size == 0:
        return float("nan"), float("nan")
    positives = np.sort(column[rows])
    num_lower, upper = sort_from(column, positives[0])
    wins = count_wins(upper, positives)
    wins = wins._replace(below=wins.below + num_lower)
    num_negatives = column.size - rows.size
    return average_precision(wins, num_negatives), area_under_roc(wins, num_negatives)
