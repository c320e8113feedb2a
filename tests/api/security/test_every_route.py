"""Every route, HTTP and WebSocket, is closed to strangers but for the short public list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import update
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.api.conftest import ADMIN_ID, ORIGIN, make_token

from utp.api.security.public_routes import is_public
from utp.api.services import Services
from utp.store.access import Scope
from utp.store.tables import User

PUBLIC = {"/healthz", "/readyz", "/api/v1/auth/login"}
SOCKET = "/api/v1/ws"


def walk(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route, ids filled in; `WS` for a WebSocket."""
    for route in flat(app.routes):
        path = re.sub(r"\{\w+(:\w+)?\}", "a" * 32, getattr(route, "path", ""))
        if isinstance(route, Mount):
            yield "GET", f"{path}/anything"
        elif getattr(route, "methods", None):
            yield from ((method, path) for method in sorted(route.methods))
        else:
            yield "WS", path
    yield "WS", SOCKET
    yield from (("GET", path) for path in ("/", "/projects", "/metrics", "/tensorboard/abc/", "/api/v1/nothing"))


def flat(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        inner = getattr(route, "effective_candidates", None)  # FastAPI keeps an included router as one route
        if inner is None:
            yield route
        else:
            yield from flat(inner())


def statuses(client: TestClient, app: FastAPI, headers: dict[str, str]) -> dict[tuple[str, str], int]:
    found = {}
    for method, path in walk(app):
        if method == "WS":
            found[method, path] = socket_status(client.websocket_connect(f"ws://localhost:8000{path}", headers=headers))
        else:
            found[method, path] = client.request(method, path, headers=headers).status_code
    return found


def socket_status(connecting: AbstractContextManager[object]) -> int:
    try:
        with connecting:
            return 101
    except WebSocketDisconnect as error:
        return error.code


def refused(found: dict[tuple[str, str], int], *allowed: int) -> dict[tuple[str, str], int]:
    """Return what was not refused as it should have been."""
    return {at: status for at, status in found.items() if at[1] not in PUBLIC and status not in allowed}


@pytest.fixture(autouse=True)
def many_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("utp.api.security.rate_limit.RateLimits.hit_failure", lambda *_: None)


def test_walk_sees_the_routes(app: FastAPI) -> None:
    found = set(walk(app))
    assert len(found) > 20
    assert {("GET", "/api/v1/projects"), ("WS", SOCKET), ("GET", "/docs"), ("GET", "/openapi.json")} <= found
    assert {path for _, path in found if is_public(path)} == PUBLIC


def test_stranger_is_refused_everywhere(stranger: TestClient, app: FastAPI) -> None:
    assert refused(statuses(stranger, app, {}), 401, 4401) == {}


@pytest.mark.parametrize("kind", ["wrong", "expired", "disabled", "session as token"])
def test_credential_that_holds_no_longer_is_refused_everywhere(
    stranger: TestClient, app: FastAPI, services: Services, kind: str
) -> None:
    life_s = -1.0 if kind == "expired" else 3600.0
    token = make_token(services, ADMIN_ID, Scope.ADMIN, life_s=life_s)
    if kind == "wrong":
        token = token[:-1] + ("A" if token[-1] != "A" else "B")
    if kind == "disabled":
        disable = update(User).values(is_disabled=True)
        services.database.write(lambda tx: tx.connection.execute(disable).close())
    headers = {"Authorization": f"Bearer {token}"}
    if kind == "session as token":
        headers = {"Cookie": f"utp_session={token}", "Origin": ORIGIN}
    assert refused(statuses(stranger, app, headers), 401, 4401) == {}


def test_foreign_origin_is_refused_everywhere_even_with_a_token(client: TestClient, app: FastAPI) -> None:
    for origin in ("http://evil.example", "null", "http://localhost:8000.evil.example", "http://localhost:3001"):
        found = statuses(client, app, {"Origin": origin})
        assert {at: status for at, status in found.items() if status not in (403, 4403)} == {}, origin


def test_foreign_host_is_refused_everywhere_even_with_a_token(client: TestClient, app: FastAPI) -> None:
    for host in ("evil.example", "localhost.evil.example", "evil.example:8000", "localhost@evil.example", ""):
        found = statuses(client, app, {"Host": host})
        assert {at: status for at, status in found.items() if status not in (400, 4400)} == {}, host


def test_page_sends_a_stranger_to_the_login(stranger: TestClient) -> None:
    answer = stranger.get("/projects/abc", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/projects/abc")
