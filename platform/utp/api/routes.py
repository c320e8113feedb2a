"""`api_router` and `ThreadRoute`: routes that do at a request only what can't be done at the start."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import ResponseValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from utp.api.parameters import Parameters, can_plan

PREFIX = "/api/v1"


class ThreadRoute(APIRoute):
    """What FastAPI does, in fewer steps: a plain function and its answer take one thread in place of two.

    What has no body is read by a plan (`utp.api.parameters`).
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint if iscoroutinefunction(endpoint) else _in_thread(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        if not can_plan(self.dependant):
            return super().get_route_handler()
        parameters, endpoint = Parameters(self.dependant), self.endpoint

        async def handle(request: Request) -> Response:
            response = Response()
            del response.headers["content-length"]  # it only collects what the endpoint sets
            answer = await endpoint(**await parameters.read(request, response))
            if not isinstance(answer, Response):
                answer = Response(self._serialize(answer), self.status_code or 200, media_type="application/json")
                answer.raw_headers.extend(response.raw_headers)
            return answer

        return handle

    def _serialize(self, answer: Any) -> bytes:
        field = self.response_field
        if field is None:
            return b""
        checked, errors = field.validate(answer, loc=("response",))
        if errors:
            raise ResponseValidationError(errors=errors, body=answer)
        return field.serialize_json(checked)


def api_router(tag: str, path: str = "") -> APIRouter:
    """Return a router below `/api/v1`; its routes know their whole path.

    They are put among the app's own (`build_app`): a router within a router looks for each route twice.
    """
    return APIRouter(prefix=PREFIX + path, tags=[tag], route_class=ThreadRoute)


def _in_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    async def call(**given: Any) -> Any:
        return await run_in_threadpool(endpoint, **given)

    return call
