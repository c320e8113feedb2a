"""Signing in and out of a browser."""

from __future__ import annotations

from fastapi import Request, Response

from utp.api.auth.schemas import LogIn, Me
from utp.api.dependencies import PrincipalDep, ServicesDep
from utp.api.errors import NotSignedIn, TooManyFailures
from utp.api.routes import api_router
from utp.api.security.authentication import Credential, authenticate, client_address, read_cookie
from utp.api.security.credentials import SESSION_COOKIE, SESSION_PREFIX, hash_secret, new_secret
from utp.api.security.failed_sign_ins import FailedSignIns
from utp.api.security.permissions import Principal
from utp.api.security.rate_limit import RateLimits
from utp.store.recorder.people import SESSION_LIFE_S

router = api_router("auth")


@router.post("/auth/login", operation_id="log_in")
def log_in(services: ServicesDep, request: Request, response: Response, asked: LogIn) -> Me:
    """Exchange a one-time code, or a token, for a session cookie."""
    limits: RateLimits = request.app.state.limits
    secret = new_secret(SESSION_PREFIX)
    hashes = (hash_secret(asked.code, services.settings), hash_secret(secret, services.settings))
    if services.recorder.open_session(*hashes) is None:
        wait_s = FailedSignIns(limits, services.recorder).count(client_address(request.scope))
        if wait_s is not None:
            raise TooManyFailures(wait_s)
        raise NotSignedIn
    principal = authenticate(services, Credential(secret, is_cookie=True))
    assert principal is not None, "it was signed in a moment ago"
    is_https = request.headers.get("origin", "").startswith("https://") or request.url.scheme == "https"
    response.set_cookie(
        SESSION_COOKIE, secret, max_age=int(SESSION_LIFE_S), secure=is_https, httponly=True, samesite="strict"
    )
    return _to_me(principal)


@router.post("/auth/logout", operation_id="log_out", status_code=204)
def log_out(services: ServicesDep, _principal: PrincipalDep, request: Request, response: Response) -> None:
    """End the session of the cookie; a token stays."""
    cookie = read_cookie(request.scope)
    if cookie is not None:
        services.recorder.close_session(hash_secret(cookie, services.settings))
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")


@router.get("/me", operation_id="get_me")
def get_me(principal: PrincipalDep) -> Me:
    """Return who you are."""
    return _to_me(principal)


def _to_me(principal: Principal) -> Me:
    projects = None if principal.project_ids is None else sorted(principal.project_ids)
    return Me(id=principal.id, name=principal.name, role=principal.role, projects=projects)
