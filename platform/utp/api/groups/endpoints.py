"""Experiment groups over HTTP."""

from __future__ import annotations

from fastapi import Response

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.etag import IfMatch, set_etag
from utp.api.groups.schemas import Group, GroupCreate, GroupPage, GroupPatch
from utp.api.groups.service import GroupService
from utp.api.idempotency import CreationKeyDep
from utp.api.paging import PageDep
from utp.api.routes import api_router

router = api_router("groups")


@router.get("/projects/{project_id}/groups", operation_id="list_groups")
def list_groups(services: ServicesDep, principal: PrincipalDep, project_id: IdPath, page: PageDep) -> GroupPage:
    """List the groups of a project."""
    return GroupService(services, principal).list_groups(project_id, page)


@router.post("/projects/{project_id}/groups", operation_id="create_group", status_code=201)
def create_group(
    services: ServicesDep, principal: PrincipalDep, project_id: IdPath, asked: GroupCreate, creation: CreationKeyDep
) -> Group:
    """Make a group."""
    return GroupService(services, principal).create(project_id, asked, creation)


@router.get("/groups/{group_id}", operation_id="get_group")
def get_group(services: ServicesDep, principal: PrincipalDep, group_id: IdPath, response: Response) -> Group:
    """Return a group, with its ETag."""
    group, etag = GroupService(services, principal).get(group_id)
    set_etag(response, etag)
    return group


@router.patch("/groups/{group_id}", operation_id="update_group")
def update_group(
    services: ServicesDep,
    principal: PrincipalDep,
    group_id: IdPath,
    asked: GroupPatch,
    response: Response,
    if_match: IfMatch = None,
) -> Group:
    """Change a group; needs If-Match."""
    group, etag = GroupService(services, principal).change(group_id, asked, if_match)
    set_etag(response, etag)
    return group


@router.delete("/groups/{group_id}", operation_id="delete_group", status_code=204)
def delete_group(services: ServicesDep, principal: PrincipalDep, group_id: IdPath) -> None:
    """Dissolve a group; its runs stay."""
    GroupService(services, principal).delete(group_id)
