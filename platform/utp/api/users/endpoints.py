"""Users over HTTP."""

from __future__ import annotations

from fastapi import Request, Response

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.etag import IfMatch, set_etag
from utp.api.idempotency import CreationKeyDep
from utp.api.paging import PageDep
from utp.api.routes import api_router
from utp.api.users.schemas import LoginLink, User, UserCreate, UserPage, UserPatch
from utp.api.users.service import UserService

router = api_router("users", "/users")


@router.get("", operation_id="list_users")
def list_users(services: ServicesDep, principal: PrincipalDep, page: PageDep) -> UserPage:
    """List the users."""
    return UserService(services, principal).list_users(page)


@router.post("", operation_id="create_user", status_code=201)
def create_user(services: ServicesDep, principal: PrincipalDep, asked: UserCreate, creation: CreationKeyDep) -> User:
    """Add a user; a login link lets them in."""
    return UserService(services, principal).create(asked, creation)


@router.get("/{user_id}", operation_id="get_user")
def get_user(services: ServicesDep, principal: PrincipalDep, user_id: IdPath, response: Response) -> User:
    """Return a user, with their ETag."""
    user, etag = UserService(services, principal).get(user_id)
    set_etag(response, etag)
    return user


@router.patch("/{user_id}", operation_id="update_user")
def update_user(
    services: ServicesDep,
    principal: PrincipalDep,
    user_id: IdPath,
    asked: UserPatch,
    response: Response,
    if_match: IfMatch = None,
) -> User:
    """Change a user; needs If-Match."""
    user, etag = UserService(services, principal).change(user_id, asked, if_match)
    set_etag(response, etag)
    return user


@router.post("/{user_id}/login-links", operation_id="create_login_link", status_code=201)
def create_login_link(services: ServicesDep, principal: PrincipalDep, user_id: IdPath, request: Request) -> LoginLink:
    """Make a link that signs the user in once."""
    base_url = request.headers.get("origin") or str(request.base_url)
    return UserService(services, principal).add_login_link(user_id, base_url)
