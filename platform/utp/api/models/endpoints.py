"""The registry of models over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.etag import IfMatch, set_etag
from utp.api.idempotency import CreationKeyDep
from utp.api.models.schemas import (
    ModelCreate,
    ModelPatch,
    ModelVersion,
    ModelVersionCreate,
    ModelVersionPatch,
    RegisteredModel,
    RegisteredModelPage,
)
from utp.api.models.service import ModelService
from utp.api.paging import PageDep
from utp.api.routes import api_router

router = api_router("models")

VersionPath = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/projects/{project_id}/models", operation_id="list_models")
def list_models(
    services: ServicesDep, principal: PrincipalDep, project_id: IdPath, page: PageDep
) -> RegisteredModelPage:
    """List a project's models with their versions."""
    return ModelService(services, principal).list_models(project_id, page)


@router.post("/projects/{project_id}/models", operation_id="create_model", status_code=201)
def create_model(
    services: ServicesDep, principal: PrincipalDep, project_id: IdPath, asked: ModelCreate, creation: CreationKeyDep
) -> RegisteredModel:
    """Register a model; its versions are checkpoints."""
    return ModelService(services, principal).create(project_id, asked, creation)


@router.get("/models/{model_id}", operation_id="get_model")
def get_model(services: ServicesDep, principal: PrincipalDep, model_id: IdPath, response: Response) -> RegisteredModel:
    """Return a model, with its ETag."""
    model, etag = ModelService(services, principal).get(model_id)
    set_etag(response, etag)
    return model


@router.patch("/models/{model_id}", operation_id="update_model")
def update_model(
    services: ServicesDep,
    principal: PrincipalDep,
    model_id: IdPath,
    asked: ModelPatch,
    response: Response,
    if_match: IfMatch = None,
) -> RegisteredModel:
    """Change name or description; needs If-Match."""
    model, etag = ModelService(services, principal).change(model_id, asked, if_match)
    set_etag(response, etag)
    return model


@router.delete("/models/{model_id}", operation_id="delete_model", status_code=204)
def delete_model(services: ServicesDep, principal: PrincipalDep, model_id: IdPath) -> None:
    """Remove a model that is not in production; checkpoints stay."""
    ModelService(services, principal).remove(model_id)


@router.post("/models/{model_id}/versions", operation_id="create_model_version", status_code=201)
def create_model_version(
    services: ServicesDep,
    principal: PrincipalDep,
    model_id: IdPath,
    asked: ModelVersionCreate,
    creation: CreationKeyDep,
) -> ModelVersion:
    """Register a checkpoint of a run of the same project as the next version."""
    return ModelService(services, principal).add_version(model_id, asked, creation)


@router.get("/models/{model_id}/versions/{version}", operation_id="get_model_version")
def get_model_version(
    services: ServicesDep, principal: PrincipalDep, model_id: IdPath, version: VersionPath, response: Response
) -> ModelVersion:
    """Return a version, with its ETag."""
    found, etag = ModelService(services, principal).get_version(model_id, version)
    set_etag(response, etag)
    return found


@router.patch("/models/{model_id}/versions/{version}", operation_id="update_model_version")
def update_model_version(
    services: ServicesDep,
    principal: PrincipalDep,
    model_id: IdPath,
    version: VersionPath,
    asked: ModelVersionPatch,
    response: Response,
    if_match: IfMatch = None,
) -> ModelVersion:
    """Promote a version, or change its note; needs If-Match."""
    found, etag = ModelService(services, principal).change_version(model_id, version, asked, if_match)
    set_etag(response, etag)
    return found


@router.delete("/models/{model_id}/versions/{version}", operation_id="delete_model_version", status_code=204)
def delete_model_version(
    services: ServicesDep, principal: PrincipalDep, model_id: IdPath, version: VersionPath
) -> None:
    """Remove a version that is not in production; its checkpoint stays."""
    ModelService(services, principal).remove_version(model_id, version)
