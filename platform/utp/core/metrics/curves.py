"""The micro-averaged ROC curve: every (sample, class) pair is a decision of its own."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from utp.core.metrics.ranking import Wins, area_under_roc, bounds, sort_from
from utp.core.metrics.scores import ClassificationScores, DoubleArray, FloatArray, IntArray

MAX_POINTS = 1000
MAX_TABLE_POINTS = 200


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Points from (0, 0) to (1, 1), float64, ascending; the area is that of the whole curve, not of the points."""

    fpr: DoubleArray
    tpr: DoubleArray
    auc: float

    def to_json(self) -> dict[str, Any]:
        """Return the area and at most `MAX_TABLE_POINTS` of the points, first and last among them."""
        kept = np.unique(
            np.linspace(0, self.fpr.size - 1, min(self.fpr.size, MAX_TABLE_POINTS)).round().astype(np.int64)
        )
        return {"fpr": self.fpr[kept].tolist(), "tpr": self.tpr[kept].tolist(), "auc": self.auc}


def roc_micro(scores: ClassificationScores, max_points: int = MAX_POINTS) -> RocCurve | None:
    """Return the curve at up to `max_points` points and its exact area; None without samples or with one class.

    Every corner is kept where they are few enough; otherwise those at thresholds that are even in true positives.
    """
    num_positives = scores.num_samples
    num_negatives = num_positives * (scores.num_classes - 1)
    if num_negatives == 0:
        return None
    positives = np.sort(scores.true_log_probability)
    wins = _wins_over_all_classes(scores, positives)
    false_positives, true_positives = _corners(positives, wins, num_negatives, max_points)
    return RocCurve(
        false_positives / num_negatives, true_positives / num_positives, area_under_roc(wins, num_negatives)
    )


def _wins_over_all_classes(scores: ClassificationScores, positives: FloatArray) -> Wins:
    """Count the negatives of all classes below and level with each positive, block by block."""
    peers_below, peers_up_to = bounds(positives, positives)
    below, up_to = -peers_below, -peers_up_to  # the blocks hold the positives too
    lock = Lock()

    def count(classes: slice) -> None:
        num_lower, upper = sort_from(scores.log_probabilities(classes).ravel(), positives[0])
        left, right = upper.searchsorted(positives, "left"), upper.searchsorted(positives, "right")
        with lock:  # sums of integers: the order of the blocks changes nothing
            np.add(below, left + num_lower, out=below)
            np.add(up_to, right + num_lower, out=up_to)

    scores.map_class_blocks(count)
    return Wins(below, up_to - below, peers_below)


def _corners(positives: FloatArray, wins: Wins, num_negatives: int, max_points: int) -> tuple[IntArray, IntArray]:
    """Return false and true positives before and after each threshold that is a positive's score, highest first."""
    starts = np.flatnonzero(np.r_[True, positives[1:] != positives[:-1]])
    ends = np.r_[starts[1:], positives.size]
    kept = np.linspace(starts.size - 1, 0, min(starts.size, (max_points - 2) // 2)).round().astype(np.int64)
    starts, ends = starts[kept], ends[kept]
    after = num_negatives - wins.below[starts]
    false_positives = np.stack([after - wins.level[starts], after], axis=1).ravel()
    true_positives = np.stack([positives.size - ends, positives.size - starts], axis=1).ravel()
    return np.r_[0, false_positives, num_negatives], np.r_[0, true_positives, positives.size]
