"""The metrics of a classifier over a whole split, exact, each a function of `ClassificationScores`.

Macro means run over the classes that have samples in the split; scikit-learn on those columns gives the same values.
A value that is undefined (an empty split, an AUROC with one class) is None, never NaN.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from utp.core.metrics.entries import METRICS, TOPK, metric_ids
from utp.core.metrics.scores import ClassificationScores, DoubleArray, IntArray


@dataclass(frozen=True)
class ClassRow:
    """One class of the per-class table; None where a value is undefined, so a column's mean is the macro metric."""

    name: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    average_precision: float | None
    auroc: float | None


def compute_metrics(
    scores: ClassificationScores, topk: Iterable[int] = (1, 5), prefix: str = "val_"
) -> dict[str, float | None]:
    """Return every registered metric under its id, in the order of `metric_ids`; None where one is undefined."""
    ids = metric_ids(topk, scores.num_classes, prefix)
    return {metric_id: _compute(metric_id.removeprefix(prefix), scores) for metric_id in ids}


def _compute(name: str, scores: ClassificationScores) -> float | None:
    accuracy = re.fullmatch(r"acc@(\d+)", name)
    arguments = (int(accuracy[1]),) if accuracy else ()
    return _defined(METRICS.get(TOPK if accuracy else name).load()(scores, *arguments))


def mean_loss(scores: ClassificationScores) -> float | None:
    """Return the mean of the samples' losses; None where there are none."""
    return None if scores.losses is None else _mean(scores.losses)


def topk_accuracy(scores: ClassificationScores, k: int) -> float | None:
    """Return the share of samples whose class is among the k highest logits.

    Equal logits are placed by class index, the lower first, as argmax does: a model whose logits are all the same
    scores chance, not 1 (scikit-learn's `top_k_accuracy_score` takes the higher index first).
    """
    return _mean(scores.place < k)


def map_macro(scores: ClassificationScores) -> float | None:
    """Return the mean average precision of the classes present, each `average_precision_score` against the rest."""
    return _mean_over_present(scores, scores.ranking.average_precision)


def auroc_macro(scores: ClassificationScores) -> float | None:
    """Return the mean AUROC of the classes present, each against the rest, ties half; None with fewer than two."""
    return _mean_over_present(scores, scores.ranking.auroc)


def f1_macro(scores: ClassificationScores) -> float | None:
    """Return the mean F1 of the classes present; 0 for one that is never predicted."""
    return _mean_over_present(scores, _f1(scores))


def recall_macro(scores: ClassificationScores) -> float | None:
    """Return the mean recall of the classes present."""
    return _mean_over_present(scores, _ratio(scores.counts.hits, scores.counts.support))


def recall_micro(scores: ClassificationScores) -> float | None:
    """Return the recall over all samples, which is accuracy where each sample has one class."""
    return _mean(scores.predicted == scores.labels)


def cohen_kappa(scores: ClassificationScores) -> float | None:
    """Return Cohen's kappa; None where chance agreement is 1 (one class labelled and predicted)."""
    support, predicted, hits = scores.counts
    total = scores.num_samples
    by_chance = int(support @ predicted)  # times total squared, in integers: exactly 1 - 1 is 0
    beyond = total * total - by_chance
    return None if beyond == 0 else (total * int(hits.sum()) - by_chance) / beyond


def confusion_matrix(scores: ClassificationScores) -> IntArray:
    """Return the counts (C, C), int64: rows are the true classes, columns the predicted."""
    classes = scores.num_classes
    cells = scores.labels * classes + scores.predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def per_class_table(scores: ClassificationScores, classes: Sequence[str]) -> list[ClassRow]:
    """Return a row for each class, in class order. Raises `ValueError` for a wrong number of names."""
    if len(classes) != scores.num_classes:
        raise ValueError(f"classes: {len(classes)} names for {scores.num_classes} columns of logits")
    columns = (
        _ratio(scores.counts.hits, scores.counts.predicted),
        _ratio(scores.counts.hits, scores.counts.support),
        _f1(scores),
        scores.ranking.average_precision,
        scores.ranking.auroc,
    )
    values = np.stack(columns, axis=1).tolist()
    support = scores.counts.support.tolist()
    return [ClassRow(*row[:2], *map(_defined, row[2])) for row in zip(classes, support, values, strict=True)]


def _f1(scores: ClassificationScores) -> DoubleArray:
    support, predicted, hits = scores.counts
    return np.where(support > 0, _ratio(2 * hits, support + predicted), np.nan)


def _ratio(part: IntArray, whole: IntArray) -> DoubleArray:
    """Return part / whole, NaN for 0 / 0."""
    ratio = np.full(part.shape, np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _mean(values: npt.NDArray[np.float32] | npt.NDArray[np.bool_]) -> float | None:
    return float(values.mean(dtype=np.float64)) if values.size else None


def _mean_over_present(scores: ClassificationScores, per_class: DoubleArray) -> float | None:
    present = scores.counts.support > 0
    return _defined(float(per_class[present].mean())) if present.any() else None


def _defined(value: float | None) -> float | None:
    """Return the value as a float, None for one that is not finite: rows are JSON, which has no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)
