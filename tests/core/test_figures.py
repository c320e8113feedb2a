from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf
from matplotlib.figure import Figure
from PIL import Image

from utp.core.figures import confusion_matrix_figure, reliability_figure, roc_micro_figure, save_png
from utp.core.metrics.calibration import calibration
from utp.core.metrics.classification import confusion_matrix
from utp.core.metrics.curves import roc_micro
from utp.core.metrics.scores import ClassificationScores


def random_scores(num_classes: int, num_samples: int = 500) -> ClassificationScores:
    rng = np.random.default_rng(num_classes)
    labels = rng.integers(0, num_classes, num_samples)
    logits = rng.normal(size=(num_samples, num_classes))
    logits[np.arange(num_samples), labels] += 3
    return ClassificationScores(logits, labels)


def overlapping_labels(figure: Figure) -> list[str]:
    """Names of neighbouring y labels whose boxes overlap."""
    figure.draw_without_rendering()
    labels = figure.axes[0].get_yticklabels()
    boxes = [label.get_window_extent() for label in labels]
    return [
        a.get_text() for a, first, second in zip(labels, boxes, boxes[1:], strict=False) if first.y0 < second.y1 - 1
    ]


@pytest.mark.parametrize("num_classes", [1, 2, 10, 26, 60, 200, 1000])
def test_confusion_matrix_is_readable_from_one_to_a_thousand_classes(num_classes: int) -> None:
    scores = random_scores(num_classes)
    names = [f"class_with_a_very_long_name_{index}" for index in range(num_classes)]
    figure = confusion_matrix_figure(confusion_matrix(scores), names, title="Validation")
    axes = figure.axes[0]
    assert overlapping_labels(figure) == []
    assert len(axes.get_yticks()) <= 50
    assert all(len(label.get_text()) <= 20 for label in axes.get_yticklabels())
    printed = [text.get_text() for text in axes.texts]
    nonzero = confusion_matrix(scores)[confusion_matrix(scores) > 0]
    assert printed == ([str(count) for count in nonzero] if num_classes <= 25 else [])


def test_nothing_is_cut_off_at_the_edge() -> None:
    figure = confusion_matrix_figure(confusion_matrix(random_scores(19)), ["Red-Grapefruit"] * 19, title="run " * 40)
    figure.draw_without_rendering()
    edge = figure.bbox
    for text in (figure.axes[0].yaxis.label, figure.axes[0].xaxis.label, figure.axes[0].title):
        box = text.get_window_extent()
        assert edge.x0 <= box.x0 <= box.x1 <= edge.x1, text
        assert edge.y0 <= box.y0 <= box.y1 <= edge.y1, text


def test_title_holds_the_accuracy() -> None:
    matrix = np.array([[3, 1], [0, 4]])
    figure = confusion_matrix_figure(matrix, ["a", "b"], title="Validation, epoch 3")
    assert figure.axes[0].get_title() == "Validation, epoch 3\naccuracy 87.5% of 8 images"


def test_class_without_images_is_grey_and_an_empty_split_draws() -> None:
    figure = confusion_matrix_figure(np.array([[2, 0], [0, 0]]), ["a", "b"], title="t")
    shares = figure.axes[0].images[0].get_array()
    assert np.ma.getmaskarray(shares).tolist() == [[False, False], [True, True]]
    empty = confusion_matrix_figure(np.zeros((2, 2), dtype=np.int64), ["a", "b"], title="t")
    assert empty.axes[0].get_title().endswith("no images")


def test_formula_signs_and_letters_without_a_glyph_in_names_do_no_harm(tmp_path: Path) -> None:
    figure = confusion_matrix_figure(np.eye(4, dtype=np.int64), ["$x^2_", "50% $", "猫", ""], title="a $ b $ \\frac")
    save_png(figure, tmp_path / "figure.png")  # a missing glyph warns, and warnings are errors here
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["$x^2_", "50% $", "#2", "#3"]


def test_names_that_do_not_fit_the_matrix_are_refused() -> None:
    with pytest.raises(ValueError, match=r"matrix must be \(3, 3\) as there are classes, got \(2, 2\)"):
        confusion_matrix_figure(np.eye(2, dtype=np.int64), ["a", "b", "c"], title="t")


def test_roc_legend_holds_the_area_and_no_curve_says_why() -> None:
    curve = roc_micro(random_scores(5))
    assert curve is not None
    axes = roc_micro_figure(curve, title="ROC").axes[0]
    assert f"AUC {curve.auc:.4f}" in axes.get_legend().get_texts()[-1].get_text()
    assert "undefined" in roc_micro_figure(None, title="ROC").axes[0].texts[0].get_text()


def test_reliability_diagram_shows_error_and_counts() -> None:
    bins = calibration(random_scores(5))
    figure = reliability_figure(bins, title="Reliability")
    upper, lower = figure.axes
    assert f"ECE {bins.ece:.4f} over 15 bins" in upper.get_title()
    assert [bar.get_height() for bar in lower.patches] == list(bins.count)


def test_reliability_of_an_empty_split_draws(tmp_path: Path) -> None:
    empty = calibration(ClassificationScores(np.empty((0, 3)), np.empty(0)))
    save_png(reliability_figure(empty, title="Reliability"), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").exists()


def test_png_is_light_and_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a.png", "new/b.png"):
        save_png(roc_micro_figure(None, title="ROC"), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "new" / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


def test_png_can_be_read_by_others_as_any_new_file(tmp_path: Path) -> None:
    save_png(roc_micro_figure(None, title="ROC"), tmp_path / "figure.png")
    (tmp_path / "plain").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("figure.png", "plain")]
    assert modes[0] == modes[1]


def test_failed_save_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "figure.png"
    target.write_bytes(b"old")
    broken = roc_micro_figure(None, title="ROC")
    broken.axes[0].text(0, 0, "$\\nosuchcommand$")  # fails when drawn, halfway through the save
    with pytest.raises(ValueError, match="nosuchcommand"):
        save_png(broken, target)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"old"


def test_figures_are_not_known_to_pyplot() -> None:
    before = Gcf.get_all_fig_managers()
    figures = [roc_micro_figure(None, title="ROC"), reliability_figure(calibration(random_scores(3)), title="R")]
    assert Gcf.get_all_fig_managers() == before
    assert len(figures) == 2
