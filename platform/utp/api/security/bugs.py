"""Answers for what nobody expected, within the layers that every answer passes through."""

from __future__ import annotations

import logging

from starlette.types import Message, Receive, Scope, Send

from utp.api.errors import internal_problem
from utp.api.problem_handlers import problem_response
from utp.api.security.asgi import Layer

_log = logging.getLogger(__name__)


class Bugs:
    """Turns an exception into a 500 with all headers; Starlette's own layer for it stands outside of ours."""

    def __init__(self, app: Layer) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI says."""
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            if scope["type"] != "http" or has_begun:
                raise  # there is no answer to give any more; the server closes the connection
            _log.exception("%s %s failed", scope["method"], getattr(scope.get("route"), "path", "a request"))
            await problem_response(internal_problem())(scope, receive, send)
