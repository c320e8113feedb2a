"""Datasets over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from starlette.responses import Response

from utp.api.datasets.schemas import ClassBalance, Dataset, DatasetCreate, DatasetPage, SamplePage
from utp.api.datasets.service import DatasetService
from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.idempotency import CreationKeyDep
from utp.api.paging import PageDep
from utp.api.pictures.sending import ImageSize, send_image, send_thumbnail
from utp.api.routes import api_router

router = api_router("datasets")

DEFAULT_SIZE = 160
SamplePath = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Label = Annotated[str | None, Query(max_length=255, description="Name of a class.")]
IMAGE: dict[int | str, dict[str, Any]] = {200: {"description": "The image.", "content": {"image/*": {}}}}


@router.get("/projects/{project_id}/datasets", operation_id="list_datasets")
def list_datasets(services: ServicesDep, principal: PrincipalDep, project_id: IdPath, page: PageDep) -> DatasetPage:
    """List what a project has registered or trained on."""
    return DatasetService(services, principal).list_datasets(project_id, page)


@router.post("/projects/{project_id}/datasets", operation_id="create_dataset", status_code=201)
def create_dataset(
    services: ServicesDep, principal: PrincipalDep, project_id: IdPath, asked: DatasetCreate, creation: CreationKeyDep
) -> Dataset:
    """Register a folder of images; `POST /datasets/{id}/scan` looks through it."""
    return DatasetService(services, principal).register(project_id, asked, creation)


@router.get("/datasets/{dataset_id}", operation_id="get_dataset")
def get_dataset(services: ServicesDep, principal: PrincipalDep, dataset_id: IdPath) -> Dataset:
    """Return a dataset with the state of its scan."""
    return DatasetService(services, principal).get(dataset_id)


@router.delete("/datasets/{dataset_id}", operation_id="delete_dataset", status_code=204)
def delete_dataset(services: ServicesDep, principal: PrincipalDep, dataset_id: IdPath) -> None:
    """Take a dataset out of your projects; its files stay."""
    DatasetService(services, principal).remove(dataset_id)


@router.post("/datasets/{dataset_id}/scan", operation_id="scan_dataset", status_code=202)
def scan_dataset(services: ServicesDep, principal: PrincipalDep, dataset_id: IdPath) -> Dataset:
    """Look through all files anew; one that is under way goes on."""
    return DatasetService(services, principal).scan(dataset_id)


@router.get("/datasets/{dataset_id}/classes", operation_id="get_class_balance")
def get_class_balance(services: ServicesDep, principal: PrincipalDep, dataset_id: IdPath) -> ClassBalance:
    """Return images by class and split."""
    return DatasetService(services, principal).balance(dataset_id)


@router.get("/datasets/{dataset_id}/samples", operation_id="list_samples")
def list_samples(
    services: ServicesDep,
    principal: PrincipalDep,
    dataset_id: IdPath,
    page: PageDep,
    split: Annotated[str | None, Query(pattern="^(train|val|test)$")] = None,
    label: Label = None,
) -> SamplePage:
    """List images in the order of split, class and path."""
    return DatasetService(services, principal).list_samples(dataset_id, page, split=split, label=label)


@router.get(
    "/datasets/{dataset_id}/thumbnails/{sample_id}",
    operation_id="get_thumbnail",
    response_class=Response,
    responses=IMAGE,
)
def get_thumbnail(
    services: ServicesDep, principal: PrincipalDep, dataset_id: IdPath, sample_id: SamplePath, size: ImageSize = None
) -> Response:
    """Send an image as WebP of at most `size` pixels a side, 160 unless told."""
    file, path = DatasetService(services, principal).open_sample(dataset_id, sample_id)
    return send_thumbnail(services.thumbnails, file, path, size or DEFAULT_SIZE, is_immutable=True)


@router.get(
    "/datasets/{dataset_id}/images/{sample_id}",
    operation_id="get_sample_image",
    response_class=Response,
    responses=IMAGE,
)
def get_sample_image(
    services: ServicesDep, principal: PrincipalDep, dataset_id: IdPath, sample_id: SamplePath
) -> Response:
    """Send an image as it is."""
    file, path = DatasetService(services, principal).open_sample(dataset_id, sample_id)
    return send_image(file, path)
