"""Figures of an evaluation, drawn by matplotlib's objects alone: no pyplot, so no state that two runs would share."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter

from utp.core.metrics.calibration import Calibration
from utp.core.metrics.curves import RocCurve

DPI = 150
MAX_PRINTED_CLASSES = 25
"""Counts are printed into the cells up to so many classes."""
MAX_TICKS = 50
MAX_NAME_LENGTH = 20

# Okabe and Ito's colours, which the colour-blind tell apart.
BLUE = "#0072B2"
SKY = "#56B4E9"
ORANGE = "#D55E00"
GREY = "#7F7F7F"
NO_SAMPLES = "#E6E6E6"


def confusion_matrix_figure(matrix: npt.NDArray[np.int64], classes: Sequence[str], *, title: str) -> Figure:
    """Draw counts (C, C), rows true, coloured by share of the row; a row without samples is grey.

    Colour goes by the root of the share, else a class confused in 2 % of its images would look like none.

    Raises:
        ValueError: names or shape that do not fit.
    """
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(f"matrix must be ({len(classes)}, {len(classes)}) as there are classes, got {matrix.shape}")
    side = float(np.clip(2.6 + 0.34 * len(classes), 3.6, 9.5))
    figure = _figure(side + 1.2, side + 0.4, layout="compressed")  # for axes that must stay square
    axes = figure.add_subplot()
    support = matrix.sum(axis=1, keepdims=True)
    shares = np.ma.masked_array(matrix / np.maximum(support, 1), mask=np.broadcast_to(support == 0, matrix.shape))
    colors = colormaps["Blues"].with_extremes(bad=NO_SAMPLES)
    image = axes.imshow(shares, cmap=colors, norm=PowerNorm(0.5, 0, 1), interpolation=_interpolation(len(classes)))
    _label_classes(axes, classes)
    if len(classes) <= MAX_PRINTED_CLASSES:
        _print_counts(axes, matrix, shares.filled(0), cell_width=0.8 * side * 72 / len(classes))
    _add_color_bar(figure, axes, image)
    total = int(matrix.sum())
    accuracy = f"accuracy {np.trace(matrix) / total:.1%} of {total:,} images" if total else "no images"
    _set_title(axes, title, accuracy)
    return figure


def roc_micro_figure(curve: RocCurve | None, *, title: str) -> Figure:
    """Draw the micro-averaged ROC curve; where there is none (no samples, one class), axes that say so."""
    figure = _figure(4.8, 4.6)
    axes = figure.add_subplot(
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
        xlabel="False positive rate",
        ylabel="True positive rate",
    )
    _set_title(axes, title)
    _style_curve_axes(axes)
    if curve is None:
        _say(axes, "undefined: needs images and two classes")
        return figure
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="Chance (AUC 0.5)")
    axes.plot(curve.fpr, curve.tpr, color=BLUE, linewidth=1.8, label=f"Micro average (AUC {curve.auc:.4f})")
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    return figure


def reliability_figure(bins: Calibration, *, title: str) -> Figure:
    """Draw accuracy over confidence with its gap to the diagonal, and beneath it how many samples each bin holds."""
    figure = _figure(4.8, 5.4)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    width = 1 / len(bins.count)
    middles = (np.arange(len(bins.count)) + 0.5) * width
    accuracy = np.array(bins.accuracy, dtype=np.float64)  # None becomes NaN, which draws nothing
    confidence = np.array(bins.confidence, dtype=np.float64)
    upper.bar(middles, accuracy, width * 0.92, color=SKY, label="Accuracy")
    upper.bar(
        middles,
        confidence - accuracy,
        width * 0.92,
        bottom=accuracy,
        facecolor="none",
        edgecolor=ORANGE,
        hatch="///",
        linewidth=0.8,
        label="Gap to confidence",
    )
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="Calibrated")
    upper.set(xlim=(0, 1), ylim=(0, 1.01), ylabel="Accuracy")
    upper.legend(loc="upper left", frameon=False, fontsize=9)
    ece = "no images" if bins.ece is None else f"ECE {bins.ece:.4f} over {len(bins.count)} bins"
    _set_title(upper, title, ece)
    lower.bar(middles, bins.count, width * 0.92, color=GREY)
    lower.set(xlabel="Confidence", ylabel="Images")
    for axes in (upper, lower):
        _style_curve_axes(axes)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write the figure as PNG; the file is there whole or, on an error, as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        figure.savefig(draft, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _figure(width: float, height: float, layout: Literal["constrained", "compressed"] = "constrained") -> Figure:
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _label_classes(axes: Axes, classes: Sequence[str]) -> None:
    step = -(-len(classes) // MAX_TICKS)
    ticks = range(0, len(classes), step)
    names = [_short(classes[tick], tick) for tick in ticks]
    size = 8 if len(names) <= 20 else 6.5
    rotation = 45 if len(names) <= MAX_PRINTED_CLASSES else 90
    axes.set_xticks(
        ticks,
        names,
        fontsize=size,
        rotation=rotation,
        ha="right" if rotation == 45 else "center",
        rotation_mode="anchor" if rotation == 45 else "default",
        parse_math=False,
    )
    axes.set_yticks(ticks, names, fontsize=size, parse_math=False)
    axes.set(xlabel="Predicted" if step == 1 else f"Predicted (1 class in {step} is named)", ylabel="True")
    axes.tick_params(length=2)


def _print_counts(
    axes: Axes, matrix: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], cell_width: float
) -> None:
    """Print the counts that are not 0; `cell_width` in points."""
    widest = max(2, len(f"{matrix.max():d}"))
    size = min(10.0, 0.85 * cell_width / (0.64 * widest))  # a digit is 0.64 of the font's size wide
    for row, column in zip(*np.nonzero(matrix), strict=True):
        color = "white" if shares[row, column] > 0.4 else "black"
        axes.text(column, row, f"{matrix[row, column]:d}", ha="center", va="center", fontsize=size, color=color)


def _add_color_bar(figure: Figure, axes: Axes, image: AxesImage) -> None:
    bar = figure.colorbar(
        image, ax=axes, fraction=0.046, pad=0.02, aspect=30, ticks=[0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1]
    )
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    bar.ax.tick_params(labelsize=8)
    bar.set_label("Share of the true class", fontsize=9)
    bar.outline.set_visible(False)


def _set_title(axes: Axes, *lines: str) -> None:
    """Set the title, broken where the figure ends: run names are long and matplotlib would cut them off."""
    width = int(13 * axes.figure.get_figure(root=True).get_figwidth())  # letters of 10 points that fit
    text = "\n".join(textwrap.fill(line, width) for line in lines)
    axes.set_title(text, fontsize=10, parse_math=False)


def _style_curve_axes(axes: Axes) -> None:
    axes.grid(color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def _say(axes: Axes, sentence: str) -> None:
    axes.text(0.5, 0.5, sentence, ha="center", va="center", fontsize=9, color=GREY, transform=axes.transAxes)


def _interpolation(num_classes: int) -> str:
    """Pixels stay square while a cell has some; beyond that cells are averaged, else single ones would vanish."""
    return "nearest" if num_classes <= 300 else "antialiased"


def _short(name: str, index: int) -> str:
    """Shorten a class name in its middle; one with letters that the font lacks becomes its index."""
    name = " ".join(name.split())
    if not name or any(ord(letter) not in _known_letters() for letter in name):
        return f"#{index}"
    if len(name) <= MAX_NAME_LENGTH:
        return name
    return f"{name[: MAX_NAME_LENGTH - 8]}…{name[-7:]}"


@cache
def _known_letters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties())).get_charmap())
