"""Bodies of evaluations."""

from __future__ import annotations

from typing import Literal

from utp.api.schemas import Answer

Split = Literal["val", "test"]


class Evaluation(Answer):
    """One evaluation of a split."""

    split: Split
    epoch: int
    step: int
    is_best: bool
    has_detail: bool
    """Whether its predictions are kept: those of the best, the last and the test evaluation are."""
    metrics: dict[str, float | None]


class EvaluationList(Answer):
    """Evaluations of a run, by split and epoch."""

    items: list[Evaluation]


class ClassMetrics(Answer):
    """One class; null where it is undefined: without samples, or without predictions."""

    label: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    average_precision: float | None
    """Null also for an evaluation whose probabilities of all classes are not kept."""
    auroc: float | None


class RocCurve(Answer):
    """ROC curve, averaged over all (sample, class) pairs."""

    fpr: list[float]
    tpr: list[float]
    auc: float | None


class ReliabilityBin(Answer):
    """Samples whose confidence lies in [lower, upper)."""

    lower: float
    upper: float
    confidence: float | None
    """Mean probability of the predicted class; null in an empty bin."""
    accuracy: float | None
    count: int


class Reliability(Answer):
    """Whether confidence means what it says."""

    bins: list[ReliabilityBin]
    ece: float | None


class EvaluationDetail(Answer):
    """What was predicted right and wrong at one evaluation."""

    split: Split
    epoch: int
    step: int
    labels: list[str]
    """Names of the classes, by index."""
    confusion: list[list[int]] | None
    """Counts, rows true and columns predicted; null above 1,000 classes."""
    per_class: list[ClassMetrics]
    roc: RocCurve | None
    """Null for an evaluation whose curve is not kept: it is kept of the last one of each split."""
    reliability: Reliability | None
    metrics: dict[str, float | None]
