"""The suite against scikit-learn, and at its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from scipy.special import log_softmax

from utp.core.metrics.calibration import calibration
from utp.core.metrics.classification import compute_metrics, confusion_matrix, per_class_table
from utp.core.metrics.entries import METRICS
from utp.core.metrics.scores import ClassificationScores
from utp.errors import ModelDiverged

NUM_CASES = 200


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels with, in turn, ties, absent classes, one sample, two classes, constant or extreme logits."""
    rng = np.random.default_rng(seed)
    num_classes = int(rng.choice([2, 3, 5, 17], p=[0.35, 0.3, 0.25, 0.1]))
    num_samples = 1 if seed % 11 == 0 else int(rng.integers(2, 200))
    present = rng.permutation(num_classes)[: rng.integers(1, num_classes + 1)]
    labels = rng.choice(present, num_samples)
    logits = rng.normal(scale=rng.choice([0.1, 2.0, 30.0]), size=(num_samples, num_classes))
    logits[np.arange(num_samples), labels] += rng.choice([0.0, 1.0, 8.0])
    if seed % 3 == 0:
        logits = logits.round(0)
    if seed % 13 == 0:
        logits[:] = 0.25
    return logits.astype(np.float32), labels


def by_scikit_learn(logits: np.ndarray, labels: np.ndarray, topk: tuple[int, ...]) -> dict[str, float | None]:
    """The same metrics from the definitions of scikit-learn, AP and AUROC on the float32 log-probabilities."""
    num_classes = logits.shape[1]
    ranks = ClassificationScores(logits, labels).log_probabilities(slice(0, num_classes))
    present = np.unique(labels)
    predicted = logits.argmax(axis=1)
    columns = [(labels == c, ranks[c]) for c in present]
    auroc = [sklearn.metrics.roc_auc_score(own, score) for own, score in columns] if present.size > 1 else []
    one_class = present.size == 1 and np.array_equal(predicted, labels)
    order = np.argsort(-logits, axis=1, kind="stable")
    values = {
        f"val_acc@{k}": float(np.mean([label in row[:k] for label, row in zip(labels, order, strict=True)]))
        for k in topk
    }
    return values | {
        "val_map": np.mean([sklearn.metrics.average_precision_score(own, score) for own, score in columns]),
        "val_f1_macro": sklearn.metrics.f1_score(labels, predicted, labels=present, average="macro", zero_division=0),
        "val_auroc_macro": np.mean(auroc) if auroc else None,
        "val_cohenkappa": None
        if one_class
        else sklearn.metrics.cohen_kappa_score(labels, predicted, labels=np.arange(num_classes)),
        "val_recall_micro": sklearn.metrics.recall_score(
            labels, predicted, labels=np.arange(num_classes), average="micro", zero_division=0
        ),
        "val_recall_macro": sklearn.metrics.recall_score(labels, predicted, labels=present, average="macro"),
    }


def assert_equal_values(ours: dict[str, float | None], expected: dict[str, float | None]) -> None:
    for metric_id, value in expected.items():
        if value is None:
            assert ours[metric_id] is None, metric_id
        else:
            assert ours[metric_id] == pytest.approx(value, abs=1e-6), metric_id


@pytest.mark.parametrize("seed", range(NUM_CASES))
def test_every_metric_equals_scikit_learn(seed: int) -> None:
    logits, labels = random_case(seed)
    topk = tuple(k for k in (1, 2, 5) if k <= logits.shape[1])
    ours = compute_metrics(ClassificationScores(logits, labels), topk)
    with sklearn.config_context(skip_parameter_validation=True, assume_finite=True):  # its checks take most of the time
        assert_equal_values(ours, by_scikit_learn(logits, labels, topk))


@pytest.mark.parametrize("seed", range(0, NUM_CASES, 10))
def test_log_probabilities_are_exact_to_float32(seed: int) -> None:
    logits, labels = random_case(seed)
    scores = ClassificationScores(logits, labels)
    expected = log_softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(
        scores.log_probabilities(slice(0, scores.num_classes)).T, expected, rtol=5e-6, atol=1e-15
    )
    own = scores.log_probabilities(slice(0, scores.num_classes))[labels, np.arange(labels.size)]
    np.testing.assert_array_equal(scores.true_log_probability, own)
    np.testing.assert_allclose(scores.confidence, np.exp(expected.max(axis=1)), rtol=1e-6)


def test_rows_with_the_same_probabilities_tie() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(200, 12)).astype(np.float32)
    shuffled = np.concatenate([base[:, :1], rng.permuted(base[:, 1:], axis=1)], axis=1)
    scores = ClassificationScores(np.concatenate([base, shuffled]), np.zeros(400))
    column = scores.log_probabilities(slice(0, 1))[0]
    np.testing.assert_array_equal(column[:200], column[200:])


def test_cases_hold_every_edge() -> None:
    cases = [random_case(seed) for seed in range(NUM_CASES)]
    assert any(len(labels) == 1 for _, labels in cases)
    assert any(logits.shape[1] == 2 for logits, _ in cases)
    assert any(np.ptp(logits) == 0 for logits, _ in cases)
    assert any(np.unique(labels).size < logits.shape[1] for logits, labels in cases)
    assert any(np.unique(logits[:, 0]).size < len(labels) for logits, labels in cases)


@pytest.mark.parametrize("num_classes", [2, 3, 10, 40])
def test_topk_equals_scikit_learn_on_mirrored_classes(num_classes: int) -> None:
    rng = np.random.default_rng(num_classes)
    logits = rng.normal(size=(500, num_classes)).round(1).astype(np.float32)
    labels = rng.integers(0, num_classes, 500)
    for k in range(1, num_classes):
        if num_classes == 2:  # scikit-learn takes a binary problem as scores of one column, which has no top k
            break
        mirrored = sklearn.metrics.top_k_accuracy_score(
            num_classes - 1 - labels, logits[:, ::-1], k=k, labels=np.arange(num_classes)
        )
        ours = compute_metrics(ClassificationScores(logits, labels), (k,))
        assert ours[f"val_acc@{k}"] == pytest.approx(mirrored)


def test_constant_logits_score_chance_at_any_k() -> None:
    labels = np.arange(10).repeat(7)
    ours = compute_metrics(ClassificationScores(np.zeros((70, 10)), labels), (1, 3, 10))
    assert (ours["val_acc@1"], ours["val_acc@3"], ours["val_acc@10"]) == (0.1, 0.3, 1.0)
    assert ours["val_auroc_macro"] == 0.5
    assert ours["val_map"] == pytest.approx(0.1)


def test_saturated_probabilities_still_rank() -> None:
    """Softmax in float32 makes the first column 1, 1, 1, 1: a tie, AUROC 1/2. The log-probabilities differ."""
    logits = np.array([[40.0, 0.0], [39.0, 0.0], [38.0, 0.0], [37.0, 0.0]], dtype=np.float32)
    assert np.unique(torch.softmax(torch.from_numpy(logits), dim=1)[:, 0].numpy()).size == 1
    ours = compute_metrics(ClassificationScores(logits, np.array([0, 0, 1, 1])))
    assert ours["val_auroc_macro"] == 1.0
    assert ours["val_map"] == 1.0


def test_every_metric_of_an_empty_split_is_none() -> None:
    scores = ClassificationScores(np.empty((0, 4)), np.empty(0), losses=np.empty(0))
    ours = compute_metrics(scores)
    assert set(ours) >= {"val_loss", "val_acc@1", "val_ece"}
    assert all(value is None for value in ours.values()), ours
    assert confusion_matrix(scores).shape == (4, 4)
    assert calibration(scores).count == (0,) * 15
    assert [row.f1 for row in per_class_table(scores, list("abcd"))] == [None] * 4


def test_one_class_alone_has_no_auroc_and_no_kappa() -> None:
    ours = compute_metrics(ClassificationScores(np.zeros((5, 3)), np.zeros(5)))
    assert ours["val_auroc_macro"] is None
    assert ours["val_cohenkappa"] is None
    assert ours["val_map"] == ours["val_acc@1"] == ours["val_f1_macro"] == 1.0


def test_single_class_model_is_measured() -> None:
    ours = compute_metrics(ClassificationScores(np.ones((3, 1)), np.zeros(3)), (1, 5))
    assert ours["val_acc@1"] == 1.0
    assert "val_acc@5" not in ours


def test_k_above_the_number_of_classes_is_left_out() -> None:
    scores = ClassificationScores(np.eye(3), np.arange(3))
    assert [key for key in compute_metrics(scores, (1, 3, 5)) if "acc@" in key] == ["val_acc@1", "val_acc@3"]


def test_loss_is_the_mean_in_double_precision() -> None:
    losses = np.full(1_000_000, 0.1, dtype=np.float32)
    scores = ClassificationScores(np.zeros((1_000_000, 1)), np.zeros(1_000_000), losses=losses)
    assert compute_metrics(scores)["val_loss"] == float(np.float32(0.1))


def test_prefix_names_the_split() -> None:
    scores = ClassificationScores(np.eye(3), np.arange(3))
    assert set(compute_metrics(scores, (1,), prefix="test_")) >= {"test_acc@1", "test_map"}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_are_counted_in_the_error(bad: float) -> None:
    logits = np.zeros((4, 3), dtype=np.float32)
    logits[1, 2] = logits[3, 0] = bad
    with pytest.raises(ModelDiverged, match="logits: 2 of 12 values are not finite"):
        ClassificationScores(logits, np.zeros(4))


def test_loss_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ModelDiverged, match="losses: 1 of 2 values are not finite"):
        ClassificationScores(np.zeros((2, 3)), np.zeros(2), losses=np.array([1.0, math.nan]))


def test_label_without_a_logit_is_refused_by_row() -> None:
    with pytest.raises(ValueError, match=r"labels: 1 of 3 lie outside 0\.\.1, the first is 2 in row 1"):
        ClassificationScores(np.zeros((3, 2)), np.array([0, 2, 1]))


def test_labels_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"labels must be \(3,\)"):
        ClassificationScores(np.zeros((3, 2)), np.zeros(2))


def test_logits_without_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one class"):
        ClassificationScores(np.zeros((3, 0)), np.zeros(3))


def test_half_precision_tensors_that_need_a_gradient_are_taken() -> None:
    logits = torch.randn(20, 3, dtype=torch.bfloat16, requires_grad=True)
    labels = torch.randint(0, 3, (20,))
    expected = float((logits.argmax(1) == labels).float().mean())
    assert compute_metrics(ClassificationScores(logits, labels))["val_acc@1"] == pytest.approx(expected)


def test_confusion_matrix_has_true_classes_as_rows() -> None:
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(300, 6)), rng.integers(0, 6, 300)
    matrix = confusion_matrix(ClassificationScores(logits, labels))
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, sklearn.metrics.confusion_matrix(labels, logits.argmax(1)))


def test_per_class_table_equals_scikit_learn_and_averages_to_the_macro_metrics() -> None:
    rng = np.random.default_rng(5)
    labels = rng.choice([0, 2, 3], 200)  # class 1 is absent, class 4 is never predicted
    logits = rng.normal(size=(200, 5)).astype(np.float32)
    logits[:, 4] = -50
    scores = ClassificationScores(logits, labels)
    table = per_class_table(scores, ["a", "b", "c", "d", "e"])
    predicted = logits.argmax(1)
    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(5), zero_division=0
    )
    assert [row.support for row in table] == support.tolist()
    for position in (0, 2, 3):
        row = table[position]
        assert (row.precision, row.recall, row.f1) == pytest.approx(
            (precision[position], recall[position], f1[position])
        )
    assert (table[1].precision, table[1].recall, table[1].f1, table[1].auroc) == (0.0, None, None, None)
    assert table[4].precision is None
    ours = compute_metrics(scores)
    for column, metric_id in (("f1", "val_f1_macro"), ("average_precision", "val_map"), ("auroc", "val_auroc_macro")):
        values = [getattr(row, column) for row in table if getattr(row, column) is not None]
        assert np.mean(values) == pytest.approx(ours[metric_id])


def test_per_class_table_refuses_a_wrong_number_of_names() -> None:
    with pytest.raises(ValueError, match="2 names for 3 columns"):
        per_class_table(ClassificationScores(np.eye(3), np.arange(3)), ["a", "b"])


def test_calibration_bins_hold_every_sample() -> None:
    rng = np.random.default_rng(9)
    scores = ClassificationScores(rng.normal(scale=3, size=(500, 4)), rng.integers(0, 4, 500))
    bins = calibration(scores)
    assert sum(bins.count) == 500
    for position, (count, confidence) in enumerate(zip(bins.count, bins.confidence, strict=True)):
        assert (confidence is None) == (count == 0)
        assert confidence is None or position / 15 <= confidence <= (position + 1) / 15


def test_sure_and_right_has_no_calibration_error_and_sure_and_wrong_has_all_of_it() -> None:
    logits = np.eye(3) * 1000
    assert calibration(ClassificationScores(logits, np.arange(3))).ece == 0
    assert calibration(ClassificationScores(logits, (np.arange(3) + 1) % 3)).ece == 1


def test_results_do_not_depend_on_blocks_or_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(700, 90)).round(1)
    labels = rng.integers(0, 90, 700)
    whole = compute_metrics(ClassificationScores(logits, labels))
    for name, value in {"MAX_BLOCKS": 1, "MIN_CHUNKS": 1, "CHUNK_ELEMENTS": 1000}.items():  # all classes in one block
        monkeypatch.setattr(f"utp.core.metrics.scores.{name}", value)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert compute_metrics(ClassificationScores(logits, labels)) == whole
    finally:
        torch.set_num_threads(before)


def geometric_mean_recall(scores: ClassificationScores) -> float | None:
    """A metric of a user's own."""
    recall = scores.counts.hits / scores.counts.support
    return float(np.exp(np.log(recall).mean()))


def undefined(scores: ClassificationScores) -> float | None:
    """A metric that gives NaN."""
    return math.nan


@pytest.fixture
def own_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS._entries))
    for name in ("geometric_mean_recall", "undefined"):
        METRICS.register(name, f"{__name__}:{name}", mode="max", doc="A test's own.")


@pytest.mark.usefixtures("own_metrics")
def test_registered_metrics_are_computed_with_the_others() -> None:
    logits = np.eye(4).repeat(3, axis=0)
    ours = compute_metrics(ClassificationScores(logits, np.arange(4).repeat(3)))
    assert ours["val_geometric_mean_recall"] == pytest.approx(1)
    assert ours["val_undefined"] is None
