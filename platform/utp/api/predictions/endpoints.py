"""Predictions and their images over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from starlette.responses import Response

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.evaluations.schemas import Split
from utp.api.paging import PageDep
from utp.api.pictures.sending import ImageSize, send_image, send_thumbnail
from utp.api.predictions.schemas import PredictionKind, PredictionPage
from utp.api.predictions.service import PredictionService
from utp.api.routes import api_router

router = api_router("predictions", "/runs/{run_id}/predictions")

MAX_INDEX = 2**31 - 1
TrueClass = Annotated[int | None, Query(alias="true", ge=0, le=MAX_INDEX, description="Index of a class.")]
ClassIndex = Annotated[int | None, Query(ge=0, le=MAX_INDEX, description="Index of a class.")]
ImagePath = Annotated[str, Path(pattern="^[0-9A-Za-z_-]{1,6000}$")]
IMAGE: dict[int | str, dict[str, Any]] = {200: {"description": "The image.", "content": {"image/*": {}}}}


@router.get("", operation_id="list_predictions")
def list_predictions(
    services: ServicesDep,
    principal: PrincipalDep,
    run_id: IdPath,
    page: PageDep,
    split: Split = "val",
    epoch: Annotated[int | None, Query(ge=0, le=MAX_INDEX, description="Left out: the best one.")] = None,
    label: TrueClass = None,
    predicted: ClassIndex = None,
    kind: PredictionKind = PredictionKind.ALL,
) -> PredictionPage:
    """List what a run predicted of a split, image by image."""
    return PredictionService(services, principal).list_predictions(
        run_id, page, split=split, epoch=epoch, label=label, predicted=predicted, kind=kind
    )


@router.get("/images/{image_id}", operation_id="get_prediction_image", response_class=Response, responses=IMAGE)
def get_prediction_image(
    services: ServicesDep, principal: PrincipalDep, run_id: IdPath, image_id: ImagePath, size: ImageSize = None
) -> Response:
    """Send an image of the run's dataset: as WebP of at most `size` pixels a side, or without a size as it is."""
    file, path = PredictionService(services, principal).open_image(run_id, image_id)
    return send_image(file, path) if size is None else send_thumbnail(services.thumbnails, file, path, size)
