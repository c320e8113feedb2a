"""Projects over HTTP."""

from __future__ import annotations

from fastapi import Response

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.etag import IfMatch, set_etag
from utp.api.idempotency import CreationKeyDep
from utp.api.paging import PageDep
from utp.api.projects.schemas import Project, ProjectCreate, ProjectPage, ProjectPatch
from utp.api.projects.service import ProjectService
from utp.api.routes import api_router

router = api_router("projects", "/projects")


@router.get("", operation_id="list_projects")
def list_projects(services: ServicesDep, principal: PrincipalDep, page: PageDep, archived: bool = False) -> ProjectPage:
    """List the projects that you see; `archived=true` lists the archived ones too."""
    return ProjectService(services, principal).list_projects(page, with_archived=archived)


@router.post("", operation_id="create_project", status_code=201)
def create_project(
    services: ServicesDep, principal: PrincipalDep, asked: ProjectCreate, creation: CreationKeyDep
) -> Project:
    """Make a project and become its member."""
    return ProjectService(services, principal).create(asked, creation)


@router.get("/{project_id}", operation_id="get_project")
def get_project(services: ServicesDep, principal: PrincipalDep, project_id: IdPath, response: Response) -> Project:
    """Return a project, with its ETag."""
    project, etag = ProjectService(services, principal).get(project_id)
    set_etag(response, etag)
    return project


@router.patch("/{project_id}", operation_id="update_project")
def update_project(
    services: ServicesDep,
    principal: PrincipalDep,
    project_id: IdPath,
    asked: ProjectPatch,
    response: Response,
    if_match: IfMatch = None,
) -> Project:
    """Change a project; needs If-Match."""
    project, etag = ProjectService(services, principal).change(project_id, asked, if_match)
    set_etag(response, etag)
    return project


@router.delete("/{project_id}", operation_id="archive_project", status_code=204)
def archive_project(services: ServicesDep, principal: PrincipalDep, project_id: IdPath) -> None:
    """Archive a project: it leaves the lists, nothing is deleted."""
    ProjectService(services, principal).archive(project_id)
