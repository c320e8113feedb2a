"""Configs over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response

from utp.api.configs.model_flavours import list_model_flavours
from utp.api.configs.schemas import (
    Config,
    ConfigClone,
    ConfigCreate,
    ConfigDiff,
    ConfigPage,
    ConfigPatch,
    ConfigToValidate,
    ConfigValidation,
    ModelFlavour,
    RegistryEntry,
)
from utp.api.configs.service import ConfigService
from utp.api.configs.training import config_schema, registries, validate
from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.etag import IfMatch, set_etag
from utp.api.idempotency import CreationKeyDep
from utp.api.paging import PageDep
from utp.api.routes import api_router
from utp.api.schemas import ID_PATTERN

router = api_router("configs")

IdQuery = Annotated[str, Query(pattern=ID_PATTERN)]


@router.get("/registries", operation_id="get_registries")
def get_registries(_principal: PrincipalDep) -> dict[str, list[RegistryEntry]]:
    """Return the parts of every kind that a config may name, with the schema of their options."""
    return registries()


@router.get("/model-flavours", operation_id="list_model_flavours")
def get_model_flavours(services: ServicesDep, _principal: PrincipalDep) -> list[ModelFlavour]:
    """Return the builtin models and those below MODELS_DIR; a config may name any model of the Hub as well."""
    return list_model_flavours(services.settings)


@router.get("/configs/schema", operation_id="get_config_schema")
def get_config_schema(_principal: PrincipalDep) -> dict[str, Any]:
    """Return the JSON Schema of a config; `x-group` says where a form shows a field."""
    return config_schema()


@router.get("/configs/diff", operation_id="diff_configs")
def diff_configs(services: ServicesDep, principal: PrincipalDep, a: IdQuery, b: IdQuery) -> ConfigDiff:
    """Return the fields in which two configs differ."""
    return ConfigService(services, principal).diff(a, b)


@router.post("/configs/validate", operation_id="validate_config")
def validate_config(services: ServicesDep, _principal: PrincipalDep, asked: ConfigToValidate) -> ConfigValidation:
    """Check a config without saving it."""
    return validate(asked.config, services.settings)


@router.get("/configs/project/{project_id}", operation_id="list_configs")
def list_configs(
    services: ServicesDep, principal: PrincipalDep, project_id: IdPath, page: PageDep, archived: bool = False
) -> ConfigPage:
    """List the named configs of a project; `archived=true` lists the archived ones too."""
    return ConfigService(services, principal).list_configs(project_id, page, with_archived=archived)


@router.post("/configs", operation_id="create_config", status_code=201)
def create_config(
    services: ServicesDep, principal: PrincipalDep, asked: ConfigCreate, creation: CreationKeyDep
) -> Config:
    """Save a config under a name."""
    return ConfigService(services, principal).create(asked, creation)


@router.get("/configs/{config_id}", operation_id="get_config")
def get_config(services: ServicesDep, principal: PrincipalDep, config_id: IdPath, response: Response) -> Config:
    """Return a config, with its ETag."""
    config, etag = ConfigService(services, principal).get(config_id)
    set_etag(response, etag)
    return config


@router.patch("/configs/{config_id}", operation_id="update_config")
def update_config(
    services: ServicesDep,
    principal: PrincipalDep,
    config_id: IdPath,
    asked: ConfigPatch,
    response: Response,
    if_match: IfMatch = None,
) -> Config:
    """Change a config; needs If-Match. Its content stays once runs were started from it."""
    config, etag = ConfigService(services, principal).change(config_id, asked, if_match)
    set_etag(response, etag)
    return config


@router.delete("/configs/{config_id}", operation_id="archive_config", status_code=204)
def archive_config(services: ServicesDep, principal: PrincipalDep, config_id: IdPath) -> None:
    """Archive a config: it leaves the lists, its runs keep it."""
    ConfigService(services, principal).archive(config_id)


@router.post("/configs/{config_id}/clone", operation_id="clone_config", status_code=201)
def clone_config(
    services: ServicesDep, principal: PrincipalDep, config_id: IdPath, asked: ConfigClone, creation: CreationKeyDep
) -> Config:
    """Save the same config under another name."""
    return ConfigService(services, principal).clone(config_id, asked.name, creation)
