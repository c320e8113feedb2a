"""What people read of a classifier: tables and figures of an evaluation, the model card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from utp.config.train import TrainConfig
from utp.core.data.manifest import Manifest
from utp.core.metrics.calibration import Calibration
from utp.core.metrics.classification import confusion_matrix, per_class_table
from utp.core.metrics.curves import RocCurve
from utp.core.metrics.scores import ClassificationScores

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def report_tables(
    scores: ClassificationScores, roc: RocCurve | None, bins: Calibration, classes: Sequence[str]
) -> dict[str, Any]:
    """Return what is drawn, and the table of classes, as JSON by name."""
    return {
        "confusion_matrix": {"classes": list(classes), "counts": confusion_matrix(scores).tolist()},
        "per_class": [asdict(row) for row in per_class_table(scores, classes)],
        "roc_micro": None if roc is None else roc.to_json(),
        "reliability": asdict(bins),
    }


def report_figures(
    scores: ClassificationScores, roc: RocCurve | None, bins: Calibration, classes: Sequence[str], *, title: str
) -> dict[str, Callable[[], Figure]]:
    """Return what draws each figure, by name."""
    # Not before the first step: matplotlib takes long to import.
    from utp.core.figures import confusion_matrix_figure, reliability_figure, roc_micro_figure  # noqa: PLC0415

    return {
        "confusion_matrix": lambda: confusion_matrix_figure(confusion_matrix(scores), classes, title=title),
        "roc_micro": lambda: roc_micro_figure(roc, title=title),
        "reliability": lambda: reliability_figure(bins, title=title),
    }


def short_name(config: TrainConfig) -> str:
    """Return the last part of the model's name, as a title has room for it."""
    return config.model_flavour.rstrip("/").rpartition("/")[2]


def model_card(config: TrainConfig, manifest: Manifest, facts: Mapping[str, Any]) -> str:
    """Return the README.md of the exported model, which states its measured `facts`."""
    rows = "\n".join(f"| {name} | {value:.4f} |" for name, value in facts.items() if isinstance(value, float))
    origin = "fine-tuned from" if config.load_pretrained else "trained from scratch with the architecture of"
    return f"""---
library_name: transformers
pipeline_tag: image-classification
tags: [image-classification, utp]
---

# {manifest.root.name}

An image classifier with {len(manifest.classes)} classes, {origin} `{config.model_flavour}`
with UTP (loss `{config.loss}`, seed {config.seed}, epoch {facts["epoch"]} of {config.epochs}).

| metric | value |
|---|---|
{rows}

Data fingerprint: `{manifest.fingerprint}`
"""
