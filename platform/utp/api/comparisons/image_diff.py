"""Two runs image by image: which ones the second mends, which it breaks, and whether that may be chance."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from utp.api.comparisons.run_statistics import mcnemar_exact_p
from utp.api.comparisons.schemas import ImageChange, ImageDiff
from utp.api.errors import InvalidRequest
from utp.api.predictions.prediction_file import PredictionFile, open_predictions
from utp.api.predictions.service import image_url
from utp.api.runs.access import require_runs
from utp.api.security.permissions import Principal
from utp.api.services import Services
from utp.store.errors import Conflict


def compare_images(
    services: Services, principal: Principal, *, run_a: str, run_b: str, split: str, limit: int
) -> ImageDiff:
    """Return what run b changes over run a, with at most `limit` images each way.

    Raises:
        NotFound: one of them keeps no predictions of the split.
        Conflict: they have no image in common.
        LibraryMissing: pyarrow is not installed.
    """
    if run_a == run_b:
        raise InvalidRequest("b", run_b, "is the same run as a", "name another one")
    first, second = require_runs(services, principal, [run_a, run_b])
    with (
        open_predictions(Path(first.run_dir), split) as a,
        open_predictions(Path(second.run_dir), split) as b,
    ):
        return _Pair(a, b).diff(run_a, limit)


class _Pair:
    """Rows of two files that are of the same image."""

    def __init__(self, a: PredictionFile, b: PredictionFile) -> None:
        from pyarrow import compute  # noqa: PLC0415  heavy, see prediction_file

        self._a, self._b, self._compute = a, b, compute
        places = compute.index_in(a.sample_ids(), value_set=b.sample_ids())
        self._rows_a = compute.indices_nonzero(compute.is_valid(places))
        self._rows_b = places.drop_null()
        if len(self._rows_a) == 0:
            raise Conflict("the runs have predicted no image both", "compare runs on the same dataset")
        self._right_a = a.is_right.take(self._rows_a)
        self._right_b = b.is_right.take(self._rows_b)

    def diff(self, run_a: str, limit: int) -> ImageDiff:
        """Return the difference; images are taken from the dataset of run a."""
        compute = self._compute
        fixed = compute.and_not(self._right_b, self._right_a)
        broke = compute.and_not(self._right_a, self._right_b)
        both = compute.and_(self._right_a, self._right_b)
        num_fixed, num_broke, num_both = (sum_of(compute, one) for one in (fixed, broke, both))
        total = len(self._rows_a)
        return ImageDiff(
            fixed=self._changes(fixed, run_a, limit),
            broke=self._changes(broke, run_a, limit),
            num_both_right=num_both,
            num_both_wrong=total - num_both - num_fixed - num_broke,
            num_fixed=num_fixed,
            num_broke=num_broke,
            p_value=mcnemar_exact_p(num_fixed, num_broke),
            accuracy_a=(num_both + num_broke) / total,
            accuracy_b=(num_both + num_fixed) / total,
            epoch_a=self._a.facts.epoch,
            epoch_b=self._b.facts.epoch,
        )

    def _changes(self, mask: Any, run_a: str, limit: int) -> list[ImageChange]:
        places = self._compute.indices_nonzero(mask)
        sureness = self._b.confidences.take(self._rows_b.take(places))
        order = self._compute.sort_indices(sureness, sort_keys=[("", "descending")]).slice(0, limit)
        chosen = places.take(order)
        rows_a = self._a.rows(self._rows_a.take(chosen).to_pylist())
        rows_b = self._b.rows(self._rows_b.take(chosen).to_pylist())
        return [self._to_change(a, b, run_a) for a, b in zip(rows_a, rows_b, strict=True)]

    def _to_change(self, a: dict[str, Any], b: dict[str, Any], run_a: str) -> ImageChange:
        return ImageChange(
            path=a["path"],
            label=a["label"],
            label_name=self._a.facts.classes[a["label"]],
            predicted_a=self._a.facts.classes[a["predicted"]],
            predicted_b=self._b.facts.classes[b["predicted"]],
            probability_a=_first(a["top_probabilities"]),
            probability_b=_first(b["top_probabilities"]),
            image_url=image_url(run_a, a["path"]),
        )


def sum_of(compute: Any, mask: Any) -> int:
    """Return how many are true."""
    return int(compute.sum(mask).as_py() or 0)


def _first(probabilities: list[float]) -> float | None:
    return probabilities[0] if probabilities and math.isfinite(probabilities[0]) else None
