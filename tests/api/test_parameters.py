"""What a route reads from a request by its plan is what FastAPI reads, wrong values and missing ones too."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, Path, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.testclient import TestClient

from utp.api.parameters import can_plan
from utp.api.problem_handlers import install
from utp.api.routes import ThreadRoute
from utp.store.states import RunState


async def _page(limit: Annotated[int, Query(ge=1, le=9)] = 5, q: str | None = None) -> dict[str, Any]:
    return {"limit": limit, "q": q}


Page = Annotated[dict[str, Any], Depends(_page)]


async def _filter(page: Page, request: Request, *, archived: bool = False, state: RunState | None = None) -> list[Any]:
    return [page["limit"], request.url.path, archived, state]


def _read(
    page: Page,
    chosen: Annotated[list[Any], Depends(_filter)],
    run_id: Annotated[str, Path(min_length=2)],
    names: Annotated[str, Query(max_length=4)],
    response: Response,
    if_match: Annotated[str | None, Header(max_length=6)] = None,
    idempotency_key: Annotated[str | None, Header(min_length=2)] = None,
) -> dict[str, Any]:
    response.headers["X-Seen"] = run_id
    return {"page": page, "chosen": chosen, "names": names, "if_match": if_match, "key": idempotency_key}


@pytest.fixture(scope="module")
def clients() -> dict[type[APIRoute], TestClient]:
    found = {}
    for kind in (APIRoute, ThreadRoute):
        app = FastAPI()
        install(app)
        app.router.routes.append(kind("/{run_id}", _read, methods=["GET"]))
        found[kind] = TestClient(app)
    return found


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/abc?names=x", {}),
        ("/abc?names=x&limit=7&q=%20&archived=true&state=running", {"If-Match": '"1"', "Idempotency-Key": "kk"}),
        ("/abc?names=x&names=y&limit=2&limit=3", {}),
        ("/abc?names=&limit=&archived=&q=", {"If-Match": ""}),
        ("/abc", {}),
        ("/a?limit=0&names=12345&archived=perhaps&state=none", {"If-Match": "1234567", "Idempotency-Key": "k"}),
    ],
    ids=["defaults", "all", "twice", "empty", "missing", "all wrong"],
)
def test_answers_are_alike(clients: dict[type[APIRoute], TestClient], path: str, headers: dict[str, str]) -> None:
    theirs, ours = (clients[kind].get(path, headers=headers) for kind in (APIRoute, ThreadRoute))
    assert (ours.status_code, ours.json()) == (theirs.status_code, theirs.json())
    for name in ("content-type", "x-seen", "content-length"):
        assert ours.headers.get(name) == theirs.headers.get(name)


def test_reads_of_the_api_have_a_plan(app: FastAPI) -> None:
    routes = [route for route in app.routes if isinstance(route, ThreadRoute) and route.methods == {"GET"}]
    assert len(routes) > 40
    assert [route.path for route in routes if not can_plan(route.dependant)] == []
