"""Bodies: at most 1 MiB, JSON only, read whole and strictly before anything else sees them."""

from __future__ import annotations

from anyio.to_thread import run_sync
from starlette.types import Message, Receive, Scope, Send

from utp.api.errors import Problem, status_problem
from utp.api.security.asgi import UNSAFE_METHODS, Layer, header, refuse
from utp.api.security.headers import FRAMED_PREFIX
from utp.api.security.strict_json import check_json

MAX_BODY_BYTES = 1024 * 1024
MAX_BYTES_IN_LOOP = 16 * 1024
"""A larger body is checked in a thread, since nothing else is answered meanwhile."""


class StrictRequests:
    """Refuses what is too large (413), no JSON by its type (415) or not strict JSON (400)."""

    def __init__(self, app: Layer) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _read(scope, receive)
        if body is None:
            await refuse(scope, receive, send, _too_large(), {"Connection": "close"})
            return
        is_long = len(body) > MAX_BYTES_IN_LOOP
        problem = await run_sync(_check, scope, body) if is_long else _check(scope, body)
        if problem is not None:
            await refuse(scope, receive, send, problem)
            return
        is_read = False

        async def receive_again() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()  # the client leaves
            is_read = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_again, send)


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """Return the whole body, None for one that is too large."""
    declared = header(scope, b"content-length")
    if declared is not None and (not declared.isdecimal() or int(declared[:20]) > MAX_BODY_BYTES):
        return None
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""  # it left; nobody reads the answer
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return None
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def _too_large() -> Problem:
    return status_problem(413, f"the body is above {MAX_BODY_BYTES} bytes", "send less at once")


def _check(scope: Scope, body: bytes) -> Problem | None:
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        return status_problem(400, "the address holds NUL", "remove it")
    if not body or scope["path"].startswith(f"{FRAMED_PREFIX}/"):
        return None  # TensorBoard's page sends forms, of which we read nothing
    if scope["method"] not in UNSAFE_METHODS:
        return status_problem(400, f"{scope['method']} takes no body", "leave it out")
    kind, _, parameters = (header(scope, b"content-type") or "").partition(";")
    charset = parameters.lower().replace(" ", "").replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        return status_problem(415, "the body has to be application/json in UTF-8", "set Content-Type")
    try:
        check_json(body)
    except (ValueError, RecursionError) as error:
        return status_problem(400, f"the body is no JSON: {error}", "correct it")
    return None
