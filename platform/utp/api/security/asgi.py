"""What the security layers share: headers of a scope, and how one refuses over HTTP and over a WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

from utp.api.errors import Problem
from utp.api.problem_handlers import problem_response

Layer = Callable[[Scope, Receive, Send], Awaitable[None]]

UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
CLOSE_CODES: Mapping[int, int] = {401: 4401, 403: 4403, 429: 4429, 503: 1013}
"""What a WebSocket is closed with in place of an HTTP status."""


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first header of a name (in lower case), None without one."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def headers(scope: Scope, name: bytes) -> list[str]:
    """Return all headers of a name (in lower case)."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


async def refuse(
    scope: Scope, receive: Receive, send: Send, problem: Problem, extra: Mapping[str, str] | None = None
) -> None:
    """Answer with a problem document, or close a WebSocket before it is open."""
    if scope["type"] == "websocket":
        await receive()
        message: dict[str, Any] = {"type": "websocket.close", "code": CLOSE_CODES.get(problem.status, 4400)}
        await send({**message, "reason": problem.detail[:100]})
        return
    await problem_response(problem, extra)(scope, receive, send)
