"""Whether confidence means what it says: of the samples predicted at 80 %, are 80 % right?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from utp.core.metrics.scores import ClassificationScores

NUM_BINS = 15


@dataclass(frozen=True)
class Calibration:
    """Bins of equal width over the confidence, `[i/15, (i+1)/15)`, the last with 1; means are None in an empty bin."""

    confidence: tuple[float | None, ...]
    """Mean probability of the predicted class."""
    accuracy: tuple[float | None, ...]
    """Share predicted right."""
    count: tuple[int, ...]
    ece: float | None
    """Mean of |accuracy - confidence| over the bins, weighted by count (Guo et al. 2017); None without samples."""


def calibration(scores: ClassificationScores, num_bins: int = NUM_BINS) -> Calibration:
    """Return the reliability of the top-1 confidence over bins of equal width."""
    confidence = scores.confidence
    bins = np.minimum((confidence * num_bins).astype(np.int64), num_bins - 1)
    count = np.bincount(bins, minlength=num_bins)
    confidence_sum = np.bincount(bins, weights=confidence, minlength=num_bins)
    right = (scores.predicted == scores.labels).astype(np.float64)
    right_sum = np.bincount(bins, weights=right, minlength=num_bins)
    gap = float(np.abs(right_sum - confidence_sum).sum())
    return Calibration(
        confidence=_means(confidence_sum, count),
        accuracy=_means(right_sum, count),
        count=tuple(count.tolist()),
        ece=gap / scores.num_samples if scores.num_samples else None,
    )


def expected_calibration_error(scores: ClassificationScores) -> float | None:
    """Return the expected calibration error over 15 bins; None without samples."""
    return calibration(scores).ece


def _means(sums: npt.NDArray[Any], count: npt.NDArray[Any]) -> tuple[float | None, ...]:
    return tuple(total / num if num else None for total, num in zip(sums.tolist(), count.tolist(), strict=True))
