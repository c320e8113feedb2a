from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from utp.config.train import TrainConfig
from utp.core.metrics.classification import compute_metrics
from utp.core.metrics.entries import METRICS, best_mode, check_monitor_metric, metric_ids
from utp.core.metrics.scores import ClassificationScores
from utp.errors import UnknownName


def test_ids_are_those_of_the_product() -> None:
    assert metric_ids((1, 5), 10) == (
        "val_loss",
        "val_acc@1",
        "val_acc@5",
        "val_auroc_macro",
        "val_cohenkappa",
        "val_ece",
        "val_f1_macro",
        "val_map",
        "val_recall_macro",
        "val_recall_micro",
    )


def test_ids_are_exactly_what_the_suite_reports() -> None:
    scores = ClassificationScores(np.eye(4), np.arange(4))
    assert tuple(compute_metrics(scores, (3, 9), "test_")) == metric_ids((3, 9), 4, "test_")


def test_accuracy_at_one_is_always_reported() -> None:
    assert metric_ids((5,), 3)[:2] == ("val_loss", "val_acc@1")


@pytest.mark.parametrize("name", METRICS.names())
def test_every_entry_has_a_mode_a_doc_and_code(name: str) -> None:
    entry = METRICS.get(name)
    assert entry.traits["mode"] in ("max", "min")
    assert entry.doc.endswith(".")
    assert callable(entry.load())


@pytest.mark.parametrize(
    ("metric_id", "mode"),
    [("val_acc@1", "max"), ("val_acc@17", "max"), ("val_loss", "min"), ("test_ece", "min"), ("map", "max")],
)
def test_mode_of_an_id(metric_id: str, mode: str) -> None:
    assert best_mode(metric_id) == mode


@pytest.mark.parametrize("metric_id", ["val_accuracy", "val_acc@0", "val_acc@K", "lr", "", "acc@1_val"])
def test_unknown_id_is_refused_with_the_known_ones(metric_id: str) -> None:
    with pytest.raises(UnknownName, match=r"known: val_loss, val_acc@K, val_auroc_macro"):
        best_mode(metric_id)


def test_default_monitor_metric_is_reported_for_any_number_of_classes() -> None:
    config = TrainConfig(root="d", model_flavour="builtin/tiny")
    check_monitor_metric(config.monitor_metric, config.eval_topk, 1)
    assert best_mode(config.monitor_metric) == config.monitor_mode


def test_monitor_metric_that_this_run_does_not_report_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"monitor_metric 'val_acc@5' is not registered; known: .*val_acc@1"):
        check_monitor_metric("val_acc@5", (1, 5), 4)


def test_metric_without_a_mode_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))
    METRICS.register("mine", "somewhere:mine", doc="No mode.")
    with pytest.raises(ValueError, match="metric 'mine' has mode None; register it with mode='max' or mode='min'"):
        best_mode("val_mine")


@pytest.mark.process
def test_ids_are_listed_without_torch_and_numpy() -> None:
    code = (
        "import sys; from utp.core.metrics.entries import metric_ids; metric_ids((1, 5), 10); "
        "sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    path = ":".join(part for part in sys.path if part)
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": path})
