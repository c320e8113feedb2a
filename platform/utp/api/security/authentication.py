"""Deny by default: a request of nobody known goes no further, be it HTTP or a WebSocket."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.responses import RedirectResponse
from starlette.types import Receive, Scope, Send

from utp.api.errors import RETRY_AFTER_S, NotSignedIn, Problem, problem_of, status_problem
from utp.api.security.asgi import UNSAFE_METHODS, Layer, header, headers, refuse
from utp.api.security.credentials import MAX_CREDENTIAL, SESSION_COOKIE, SOCKET_PROTOCOL_PREFIX, hash_secret
from utp.api.security.failed_sign_ins import FailedSignIns
from utp.api.security.permissions import PRINCIPAL, SEES_ALL_PROJECTS, Principal
from utp.api.security.public_routes import is_public
from utp.api.security.rate_limit import RateLimits
from utp.api.services import Services
from utp.store.errors import NotAtOnce, StoreError
from utp.store.recorder.people import TOKEN_USE_STEP_S
from utp.store.repositories.people import PeopleRepository, SignedIn

CREDENTIAL = "utp.credential"
"""Key of the scope: what somebody signed in with, to be asked for again on a long connection."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credential:
    """What a request signs in with; never printed."""

    secret: str
    is_cookie: bool

    def __repr__(self) -> str:
        return f"Credential(is_cookie={self.is_cookie})"


class Authentication:
    """Finds the principal of each request, or refuses it."""

    def __init__(self, app: Layer, *, services: Services, limits: RateLimits) -> None:
        self._app = app
        self._services = services
        self._limits = limits
        self._failures = FailedSignIns(limits, services.recorder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI says."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and is_public(scope["path"])):
            await self._app(scope, receive, send)
            return
        credential = find_credential(scope)
        try:
            principal = None if credential is None else await self._find(credential)
        except StoreError as error:
            _log.error("nobody could be signed in: %s", error)
            wait_s = RETRY_AFTER_S.get(type(error))
            extra = None if wait_s is None else {"Retry-After": str(wait_s)}
            await refuse(scope, receive, send, problem_of(error), extra)
            return
        refusal = await self._refusal(scope, credential, principal)
        if refusal is None:
            scope[PRINCIPAL], scope[CREDENTIAL] = principal, credential
            await self._app(scope, receive, send)
        elif refusal[0].status == 401 and _is_page(scope):
            await RedirectResponse(f"/login?next={quote(scope['path'], safe='/')}", 303)(scope, receive, send)
        else:
            await refuse(scope, receive, send, *refusal)

    async def _find(self, credential: Credential) -> Principal | None:
        """Return who signs in so; without a thread where the database answers at once."""
        try:
            found = _look_up(self._services, credential, at_once=True)
        except NotAtOnce:
            return await run_sync(authenticate, self._services, credential)
        if found is not None and _is_use_worth_a_note(found):
            await run_sync(_note_use, self._services, found)
        return None if found is None else _principal(found)

    async def _refusal(
        self, scope: Scope, credential: Credential | None, principal: Principal | None
    ) -> tuple[Problem, dict[str, str]] | None:
        if principal is not None and credential is not None:
            wait_s = self._limits.hit_user(principal.id)
            if wait_s is not None:
                return _too_many(wait_s, "requests")
            return _cross_site() if credential.is_cookie and _may_be_cross_site(scope) else None
        wait_s = await run_sync(self._failures.count, client_address(scope)) if credential is not None else None
        if wait_s is not None:
            return _too_many(wait_s, "failed sign-ins")
        return problem_of(NotSignedIn()), {"WWW-Authenticate": "Bearer"}


def authenticate(services: Services, credential: Credential) -> Principal | None:
    """Return who signs in so; None for an unknown, ended or expired credential. Raises `StoreError`."""
    found = _look_up(services, credential, at_once=False)
    if found is None:
        return None
    if _is_use_worth_a_note(found):
        _note_use(services, found)
    return _principal(found)


def find_credential(scope: Scope) -> Credential | None:
    """Return what a request signs in with: header, WebSocket subprotocol, or cookie."""
    secret = _bearer(header(scope, b"authorization")) or _socket_token(scope)
    if secret is not None:
        return Credential(secret[:MAX_CREDENTIAL], is_cookie=False)
    cookie = read_cookie(scope)
    return None if cookie is None else Credential(cookie[:MAX_CREDENTIAL], is_cookie=True)


def read_cookie(scope: Scope) -> str | None:
    """Return the session cookie."""
    for value in headers(scope, b"cookie"):
        try:
            cookies = SimpleCookie(value)
        except CookieError:
            continue
        if SESSION_COOKIE in cookies:
            return cookies[SESSION_COOKIE].value
    return None


def client_address(scope: Scope) -> str:
    """Return the address that the connection comes from; never what a header says."""
    return str(scope["client"][0]) if scope.get("client") else ""


def _bearer(value: str | None) -> str | None:
    kind, _, secret = (value or "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" and secret.strip() else None


def _socket_token(scope: Scope) -> str | None:
    protocols = scope.get("subprotocols", ()) if scope["type"] == "websocket" else ()
    tokens = [one.removeprefix(SOCKET_PROTOCOL_PREFIX) for one in protocols if one.startswith(SOCKET_PROTOCOL_PREFIX)]
    return tokens[0] if tokens else None


def _may_be_cross_site(scope: Scope) -> bool:
    """Whether a cookie alone may have brought it: a browser names the Origin of every write and every WebSocket."""
    is_write = scope["type"] == "websocket" or scope["method"] in UNSAFE_METHODS
    return is_write and header(scope, b"origin") is None  # a wrong Origin came no further than the layer before


def _cross_site() -> tuple[Problem, dict[str, str]]:
    return status_problem(403, "a write that is signed in by cookie needs its Origin", "use a token in scripts"), {}


def _too_many(wait_s: int, what: str) -> tuple[Problem, dict[str, str]]:
    return status_problem(429, f"too many {what}", f"wait {wait_s} s"), {"Retry-After": str(wait_s)}


def _is_page(scope: Scope) -> bool:
    wants_html = "text/html" in (header(scope, b"accept") or "")
    return scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and wants_html and _is_of_page(scope["path"])


def _is_of_page(path: str) -> bool:
    return not path.startswith(("/api/", "/tensorboard", "/metrics", "/openapi.json"))


def _look_up(services: Services, credential: Credential, *, at_once: bool) -> SignedIn | None:
    people = PeopleRepository(services.database)
    hashed = hash_secret(credential.secret, services.settings)
    find = people.find_session if credential.is_cookie else people.find_token
    return find(hashed, at_once=at_once)


def _principal(found: SignedIn) -> Principal:
    return Principal(
        id=found.user_id,
        name=found.name,
        role=found.role,
        scope=found.scope,
        project_ids=None if found.role in SEES_ALL_PROJECTS else found.project_ids,
    )


def _is_use_worth_a_note(found: SignedIn) -> bool:
    is_long_ago = found.last_used_at is None or found.last_used_at < found.at - TOKEN_USE_STEP_S
    return found.token_id is not None and is_long_ago


def _note_use(services: Services, found: SignedIn) -> None:
    assert found.token_id is not None
    try:
        services.recorder.note_token_use(found.token_id)
    except StoreError as error:
        _log.warning("the use of a token was not noted: %s", error)
