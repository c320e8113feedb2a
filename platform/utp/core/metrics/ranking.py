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
    """For each positive, in ascending order of score: the negatives below it and those level with it, int64."""

    below: npt.NDArray[np.int64]
    level: npt.NDArray[np.int64]


def count_wins(ascending: npt.NDArray[np.float32], positives: npt.NDArray[np.float32]) -> Wins:
    """Count the negatives below and level with each positive; both ascending, the first contains the second."""
    below = ascending.searchsorted(positives, "left") - positives.searchsorted(positives, "left")
    up_to = ascending.searchsorted(positives, "right") - positives.searchsorted(positives, "right")
    return Wins(below, up_to - below)


def average_precision(positives: npt.NDArray[np.float32], wins: Wins, num_negatives: int) -> float:
    """Return the mean over the positives of the precision at their score, which is scikit-learn's step-wise sum.

    Positives of one score share a threshold, and so its precision: `average_precision_score`, ties included.
    """
    true_positives = positives.size - positives.searchsorted(positives, "left")
    false_positives = num_negatives - wins.below
    return float(np.mean(true_positives / (true_positives + false_positives)))


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
    return average_precision(positives, wins, num_negatives), area_under_roc(wins, num_negatives)
