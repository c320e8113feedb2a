"""Predictions of a run, chosen and ordered; and the images that they are of."""

from __future__ import annotations

import base64
import binascii
import math
from pathlib import Path
from typing import Any, BinaryIO

from utp.api.errors import FileRefused
from utp.api.files.opening import open_beneath
from utp.api.paging import PageRequest, make_cursor, wrong_cursor
from utp.api.predictions.prediction_file import PredictionFile, open_predictions
from utp.api.predictions.schemas import Prediction, PredictionKind, PredictionPage, TopClass
from utp.api.runs.access import require_run
from utp.api.security.permissions import Principal
from utp.api.services import Services
from utp.store.errors import NotFound
from utp.store.repositories.run_places import RunPlaces

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
"""As `core/data/folders.py`: no other file of a dataset is shown."""


class PredictionService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal

    def list_predictions(
        self,
        run_id: str,
        page: PageRequest,
        *,
        split: str,
        epoch: int | None,
        label: int | None,
        predicted: int | None,
        kind: PredictionKind,
    ) -> PredictionPage:
        """Return a page of what was predicted. Raises `NotFound`, `LibraryMissing`, `InvalidRequest`."""
        run_dir = Path(require_run(self._services, self._principal, run_id).run_dir)
        last = page.after(1)
        start = last[0] if last else 0
        if not isinstance(start, int) or start < 0:
            raise wrong_cursor(page.cursor)
        with open_predictions(run_dir, split, epoch) as file:
            chosen = _choose(file, label, predicted, kind)
            part = chosen.slice(start, page.limit).to_pylist()
            items = [_to_prediction(row, file.facts.classes, run_id) for row in file.rows(part)]
            has_more = start + page.limit < len(chosen)
            return PredictionPage(
                items=items,
                next_cursor=make_cursor(start + page.limit) if has_more else None,
                total=len(chosen),
                split=split,
                epoch=file.facts.epoch,
                step=file.facts.step,
            )

    def open_image(self, run_id: str, image_id: str) -> tuple[BinaryIO, str]:
        """Open an image of the run's dataset; return it with its path. Raises `FileRefused`, `NotFound`."""
        require_run(self._services, self._principal, run_id)
        root = RunPlaces(self._services.database).dataset_root(run_id)
        if root is None:
            raise NotFound("dataset of run", run_id)
        path = path_of(image_id)
        return open_beneath(Path(root), path, may_be_link=True), path


def image_id_of(path: str) -> str:
    """Return the id of an image: its path, in letters that an address may hold."""
    return base64.urlsafe_b64encode(path.encode()).decode().rstrip("=")


def path_of(image_id: str) -> str:
    """Return the path that an id means. Raises `FileRefused` for what is none, or no image."""
    try:
        path = base64.b64decode(image_id + "=" * (-len(image_id) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise FileRefused(image_id) from error
    if Path(path).suffix.lower() not in IMAGE_SUFFIXES:
        raise FileRefused(path)
    return path


def image_url(run_id: str, path: str) -> str:
    """Return the address of an image of a run's dataset."""
    return f"/api/v1/runs/{run_id}/predictions/images/{image_id_of(path)}"


def _choose(file: PredictionFile, label: int | None, predicted: int | None, kind: PredictionKind) -> Any:
    """Return the indices of the rows that are meant, in order, as an array of pyarrow."""
    import pyarrow  # noqa: PLC0415  heavy, see prediction_file
    from pyarrow import compute  # noqa: PLC0415

    is_meant = pyarrow.repeat(True, file.facts.num_rows)
    if label is not None:
        is_meant = compute.and_(is_meant, compute.equal(file.labels, label))
    if predicted is not None:
        is_meant = compute.and_(is_meant, compute.equal(file.predicted, predicted))
    if kind in (PredictionKind.WRONG, PredictionKind.CONFIDENT_MISTAKES):
        is_meant = compute.and_not(is_meant, file.is_right)
    chosen = compute.indices_nonzero(is_meant)
    if kind is PredictionKind.CONFIDENT_MISTAKES:
        return chosen.take(compute.sort_indices(file.confidences.take(chosen), sort_keys=[("", "descending")]))
    if kind is PredictionKind.WORST_LOSS:
        return chosen.take(compute.sort_indices(file.losses.take(chosen), sort_keys=[("", "descending")]))
    return chosen


def _to_prediction(row: dict[str, Any], classes: Any, run_id: str) -> Prediction:
    top = [
        TopClass(label_name=classes[index], probability=_finite(probability))
        for index, probability in zip(row["top_classes"], row["top_probabilities"], strict=True)
    ]
    return Prediction(
        id=image_id_of(row["path"]),
        path=row["path"],
        label=row["label"],
        label_name=classes[row["label"]],
        predicted=row["predicted"],
        predicted_name=classes[row["predicted"]],
        probability=top[0].probability if top else None,
        loss=_finite(row["loss"]),
        top=top,
        image_url=image_url(run_id, row["path"]),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
