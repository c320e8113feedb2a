"""Evaluations of a run: numbers from the store, details from its predictions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from utp.api.errors import LibraryMissing
from utp.api.evaluations.schemas import (
    ClassMetrics,
    Evaluation,
    EvaluationDetail,
    EvaluationList,
    Reliability,
    ReliabilityBin,
    RocCurve,
    Split,
)
from utp.api.figures.service import read_figure_json
from utp.api.predictions.counts import count_pairs, sum_confidence_bins
from utp.api.predictions.prediction_file import PredictionFile, list_predictions, open_predictions
from utp.api.runs.access import require_run
from utp.api.security.permissions import Principal
from utp.api.services import Services
from utp.store.errors import Conflict, NotFound
from utp.store.repositories.curves import CurveRepository
from utp.store.repositories.runs import RunRepository

MAX_EVALUATIONS = 10_000
MAX_CONFUSION_CLASSES = 1000
NUM_BINS = 15
"""As `core/metrics/calibration.py`."""
EPOCH = "epoch"
_SPLIT_OF_KIND: dict[str, Split] = {"epoch": "val", "test": "test"}


class EvaluationService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal

    def list_evaluations(self, run_id: str) -> EvaluationList:
        """Return every evaluation of a run."""
        place = require_run(self._services, self._principal, run_id)
        try:
            kept = {(facts.split, facts.epoch) for facts in list_predictions(Path(place.run_dir))}
        except LibraryMissing:
            kept = set()
        return EvaluationList(items=[one for split in ("val", "test") for one in self._read(run_id, split, kept)])

    def get(self, run_id: str, split: Split, epoch: int) -> EvaluationDetail:
        """Return what was predicted at one evaluation.

        Raises:
            NotFound: there was no such evaluation, or its predictions are not kept.
            LibraryMissing: pyarrow is not installed.
        """
        run_dir = Path(require_run(self._services, self._principal, run_id).run_dir)
        metrics = next((one.metrics for one in self._read(run_id, split, set()) if one.epoch == epoch), {})
        with open_predictions(run_dir, split, epoch) as file:
            return EvaluationDetail(
                split=split,
                epoch=epoch,
                step=file.facts.step,
                labels=list(file.facts.classes),
                confusion=_confusion(file) if len(file.facts.classes) <= MAX_CONFUSION_CLASSES else None,
                per_class=_per_class(file, _table(run_dir, "per_class", split, epoch) or []),
                roc=_roc(_table(run_dir, "roc_micro", split, epoch)),
                reliability=_reliability(file),
                metrics=metrics,
            )

    def _read(self, run_id: str, split: str, kept: set[tuple[str, int]]) -> list[Evaluation]:
        curves = CurveRepository(self._services.database)
        kind = next(kind for kind, one in _SPLIT_OF_KIND.items() if one == split)
        names = [one.name for one in curves.latest_values([run_id])[run_id] if one.kind == kind]
        chosen = [name for name in names if name.startswith(f"{split}_") or name == EPOCH]
        found = curves.read_curves([run_id], chosen, kind=kind, max_points=MAX_EVALUATIONS)
        by_step: dict[int, dict[str, float]] = {}
        for curve in found:
            for step, value in zip(curve.points.steps, curve.points.values, strict=True):
                by_step.setdefault(int(step), {})[curve.name] = value
        best_epoch = RunRepository(self._services.database).get(run_id).best_epoch
        return [
            Evaluation(
                split=_SPLIT_OF_KIND[kind],
                epoch=(epoch := int(values.pop(EPOCH, 0))),
                step=step,
                is_best=epoch == best_epoch,
                has_detail=(split, epoch) in kept,
                metrics=dict(values),
            )
            for step, values in sorted(by_step.items())
        ]


def _table(run_dir: Path, name: str, split: str, epoch: int) -> Any:
    """Return a table that the run wrote, if it is of this epoch."""
    try:
        content = read_figure_json(run_dir, f"{name}_{split}")
    except (NotFound, Conflict):
        return None
    return content.get(name) if content.get("epoch") == epoch else None


def _confusion(file: PredictionFile) -> list[list[int]]:
    size = len(file.facts.classes)
    rows = [[0] * size for _ in range(size)]
    for (label, predicted), count in count_pairs(file).items():
        rows[label][predicted] = count
    return rows


def _per_class(file: PredictionFile, table: list[dict[str, Any]]) -> list[ClassMetrics]:
    support, predicted, right = Counter[int](), Counter[int](), Counter[int]()
    for (true_class, guess), count in count_pairs(file).items():
        support[true_class] += count
        predicted[guess] += count
        right[true_class] += count * (true_class == guess)
    known = {row.get("name"): row for row in table}
    return [
        ClassMetrics(
            label=name,
            support=support[index],
            precision=_share(right[index], predicted[index]),
            recall=_share(right[index], support[index]),
            f1=_share(2 * right[index], support[index] + predicted[index]),
            average_precision=known.get(name, {}).get("average_precision"),
            auroc=known.get(name, {}).get("auroc"),
        )
        for index, name in enumerate(file.facts.classes)
    ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _roc(table: dict[str, Any] | None) -> RocCurve | None:
    return RocCurve(fpr=table["fpr"], tpr=table["tpr"], auc=table.get("auc")) if table else None


def _reliability(file: PredictionFile) -> Reliability:
    bins = [_bin(index, *sums) for index, sums in enumerate(sum_confidence_bins(file, NUM_BINS))]
    total = sum(one.count for one in bins)
    gaps = (abs((one.accuracy or 0.0) - (one.confidence or 0.0)) * one.count for one in bins)
    return Reliability(bins=bins, ece=sum(gaps) / total if total else None)


def _bin(index: int, count: int, confidence: float, num_right: int) -> ReliabilityBin:
    return ReliabilityBin(
        lower=index / NUM_BINS,
        upper=(index + 1) / NUM_BINS,
        confidence=confidence / count if count else None,
        accuracy=num_right / count if count else None,
        count=count,
    )
