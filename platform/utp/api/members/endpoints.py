"""Members of projects over HTTP."""

from __future__ import annotations

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.routes import api_router
from utp.api.security.permissions import Action

router = api_router("projects", "/projects/{project_id}/members")


@router.put("/{user_id}", operation_id="add_project_member", status_code=204)
def add_project_member(services: ServicesDep, principal: PrincipalDep, project_id: IdPath, user_id: IdPath) -> None:
    """Let a user see the project, and change it as their role allows."""
    principal.require(project_id, Action.MANAGE)
    services.recorder.set_member(project_id, user_id, is_member=True)


@router.delete("/{user_id}", operation_id="remove_project_member", status_code=204)
def remove_project_member(services: ServicesDep, principal: PrincipalDep, project_id: IdPath, user_id: IdPath) -> None:
    """Take the project out of a user's sight."""
    principal.require(project_id, Action.MANAGE)
    services.recorder.set_member(project_id, user_id, is_member=False)
