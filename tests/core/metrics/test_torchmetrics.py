"""The suite against torchmetrics, the second oracle; importing it takes seconds, so only these tests do."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest
import torch

from utp.core.metrics.classification import compute_metrics
from utp.core.metrics.entries import METRICS
from utp.core.metrics.scores import ClassificationScores

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def peers() -> ModuleType:
    """The package `torchmetrics.classification`."""
    module: ModuleType = pytest.importorskip("torchmetrics.classification")
    return module


@pytest.mark.parametrize("shape", [(400, 2), (1000, 10), (2000, 50)])
def test_suite_equals_torchmetrics_where_all_classes_are_present(peers: ModuleType, shape: tuple[int, int]) -> None:
    num_samples, num_classes = shape
    rng = np.random.default_rng(num_samples)
    labels = np.concatenate([np.arange(num_classes), rng.integers(0, num_classes, num_samples - num_classes)])
    logits = rng.normal(size=shape).astype(np.float32)
    logits[np.arange(num_samples), labels] += 1
    macro = {"num_classes": num_classes, "average": "macro"}
    expected = {
        "val_acc@1": peers.MulticlassAccuracy(num_classes, average="micro"),
        "val_acc@2": peers.MulticlassAccuracy(num_classes, top_k=2, average="micro"),
        "val_map": peers.MulticlassAveragePrecision(**macro),
        "val_f1_macro": peers.MulticlassF1Score(**macro),
        "val_auroc_macro": peers.MulticlassAUROC(**macro),
        "val_cohenkappa": peers.MulticlassCohenKappa(num_classes),
        "val_recall_micro": peers.MulticlassRecall(num_classes, average="micro"),
        "val_recall_macro": peers.MulticlassRecall(**macro),
        "val_ece": peers.MulticlassCalibrationError(num_classes, n_bins=15),
    }
    ours = compute_metrics(ClassificationScores(logits, labels), (1, 2))
    for metric_id, metric in expected.items():
        value = float(metric(torch.from_numpy(logits), torch.from_numpy(labels)))
        assert ours[metric_id] == pytest.approx(value, abs=1e-6), metric_id


def specificity(scores: ClassificationScores) -> float | None:
    """A metric of torchmetrics as a metric of a user's own."""
    peers = importlib.import_module("torchmetrics.classification")
    metric = peers.MulticlassSpecificity(scores.num_classes)
    return float(metric(torch.from_numpy(scores.logits), torch.from_numpy(scores.labels)))


@pytest.mark.usefixtures("peers")
def test_any_metric_of_torchmetrics_can_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))
    METRICS.register("specificity", f"{__name__}:specificity", mode="max", doc="True negative rate.")
    logits = np.eye(4).repeat(3, axis=0)
    assert compute_metrics(ClassificationScores(logits, np.arange(4).repeat(3)))["val_specificity"] == 1.0
