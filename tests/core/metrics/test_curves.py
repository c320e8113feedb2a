from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics

from utp.core.metrics.curves import roc_micro
from utp.core.metrics.scores import ClassificationScores


def random_scores(seed: int, num_samples: int = 400, *, ties: bool = False) -> ClassificationScores:
    rng = np.random.default_rng(seed)
    num_classes = int(rng.integers(2, 30))
    labels = rng.integers(0, num_classes, num_samples)
    logits = rng.normal(size=(num_samples, num_classes))
    logits[np.arange(num_samples), labels] += 1.5
    return ClassificationScores(logits.round(0) if ties else logits, labels)


def flattened(scores: ClassificationScores) -> tuple[np.ndarray, np.ndarray]:
    truth = np.arange(scores.num_classes)[:, None] == scores.labels
    return truth.ravel(), scores.log_probabilities(slice(0, scores.num_classes)).ravel()


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_area_equals_scikit_learn(seed: int, ties: bool) -> None:
    scores = random_scores(seed, ties=ties)
    curve = roc_micro(scores)
    assert curve is not None
    assert curve.auc == pytest.approx(sklearn.metrics.roc_auc_score(*flattened(scores)), abs=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_points_of_a_short_curve_are_all_its_corners(ties: bool) -> None:
    scores = random_scores(1, 60, ties=ties)
    curve = roc_micro(scores)
    assert curve is not None
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(curve.auc, abs=1e-12)


def test_points_of_a_long_curve_lie_on_it() -> None:
    scores = random_scores(2, 5000)
    curve = roc_micro(scores, max_points=200)
    assert curve is not None
    assert 150 < curve.fpr.size <= 200
    fpr, tpr, _ = sklearn.metrics.roc_curve(*flattened(scores), drop_intermediate=False)
    full = set(zip(fpr.round(12), tpr.round(12), strict=True))
    assert set(zip(curve.fpr.round(12), curve.tpr.round(12), strict=True)) <= full
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(curve.auc, abs=0.01)


def test_curve_runs_from_corner_to_corner_and_never_back() -> None:
    curve = roc_micro(random_scores(3, ties=True))
    assert curve is not None
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(curve.fpr) >= 0).all()
    assert (np.diff(curve.tpr) >= 0).all()


@pytest.mark.parametrize("shape", [(0, 3), (5, 1)])
def test_no_curve_without_samples_or_with_one_class(shape: tuple[int, int]) -> None:
    assert roc_micro(ClassificationScores(np.zeros(shape), np.zeros(shape[0]))) is None
