"""The metrics by name, and the ids under which a run reports them; listing them needs no torch.

A metric is `fn(scores: ClassificationScores) -> float | None`, None where it is undefined. One of your own is a line in
a plug-in module, and the suite computes it with the others:

    METRICS.register("gmean", "my_package.metrics:gmean", mode="max", doc="Geometric mean of the recalls.")
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from utp.core.registry import Registry
from utp.errors import UnknownName

Mode = Literal["max", "min"]
TOPK = "acc@K"
SPLIT_PREFIXES = ("train_", "val_", "test_")

METRICS = Registry("metric")
METRICS.register(
    "loss",
    "utp.core.metrics.classification:mean_loss",
    mode="min",
    doc="Mean of the training loss over the samples.",
)
METRICS.register(
    TOPK,
    "utp.core.metrics.classification:topk_accuracy",
    mode="max",
    doc="Share of samples whose class is among the K highest logits; of equal ones the lower class comes first.",
)
METRICS.register(
    "map",
    "utp.core.metrics.classification:map_macro",
    mode="max",
    doc="Average precision of each class against the rest, mean over the classes present.",
)
METRICS.register(
    "f1_macro",
    "utp.core.metrics.classification:f1_macro",
    mode="max",
    doc="F1 of each class, mean over the classes present; 0 for one that is never predicted.",
)
METRICS.register(
    "auroc_macro",
    "utp.core.metrics.classification:auroc_macro",
    mode="max",
    doc="Area under the ROC curve of each class against the rest, mean over the classes present; ties count half.",
)
METRICS.register(
    "cohenkappa",
    "utp.core.metrics.classification:cohen_kappa",
    mode="max",
    doc="Cohen's kappa: agreement of prediction and label beyond chance.",
)
METRICS.register(
    "recall_micro",
    "utp.core.metrics.classification:recall_micro",
    mode="max",
    doc="Share of samples that are predicted right.",
)
METRICS.register(
    "recall_macro",
    "utp.core.metrics.classification:recall_macro",
    mode="max",
    doc="Recall of each class, mean over the classes present (balanced accuracy).",
)
METRICS.register(
    "ece",
    "utp.core.metrics.calibration:expected_calibration_error",
    mode="min",
    doc="Expected calibration error: gap between confidence and accuracy, over 15 bins of equal width.",
)


def reported_topk(eval_topk: Iterable[int], num_classes: int) -> tuple[int, ...]:
    """Return the K that are reported, ascending: 1 always, none above the number of classes."""
    return tuple(sorted({1, *(k for k in eval_topk if 1 <= k <= num_classes)}))


def metric_ids(eval_topk: Iterable[int], num_classes: int, prefix: str = "val_") -> tuple[str, ...]:
    """Return the ids of all metrics that a split reports: loss, accuracies, then the others by name."""
    accuracies = (f"acc@{k}" for k in reported_topk(eval_topk, num_classes))
    return tuple(prefix + name for name in ("loss", *accuracies, *_other_names()))


def best_mode(metric_id: str) -> Mode:
    """Return whether a larger or a smaller value of this metric is better; the id may carry a split's prefix.

    Raises:
        UnknownName: no metric has this id; lists the known ones.
    """
    entry = METRICS.get(_registered_name(metric_id))
    mode: Mode | None = entry.traits.get("mode")
    if mode not in ("max", "min"):
        raise ValueError(f"metric {entry.name!r} has mode {mode!r}; register it with mode='max' or mode='min'")
    return mode


def check_monitor_metric(metric_id: str, eval_topk: Iterable[int], num_classes: int) -> None:
    """Refuse a `monitor_metric` that validation will not report, before the first epoch is spent.

    Raises:
        UnknownName: lists the ids that this run reports.
    """
    known = metric_ids(eval_topk, num_classes)
    if metric_id not in known:
        raise UnknownName("monitor_metric", metric_id, known)


def _other_names() -> tuple[str, ...]:
    return tuple(name for name in METRICS.names() if name not in ("loss", TOPK))


def _registered_name(metric_id: str) -> str:
    prefix = next((prefix for prefix in SPLIT_PREFIXES if metric_id.startswith(prefix)), "")
    name = metric_id.removeprefix(prefix)
    if re.fullmatch(r"acc@[1-9]\d*", name):
        return TOPK
    if name == TOPK or name not in METRICS.names():
        known = tuple((prefix or "val_") + known for known in ("loss", TOPK, *_other_names()))
        raise UnknownName("monitor_metric", metric_id, known)
    return name
