"""Takes away what no client may say to this app, before anything can log or obey it."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from utp.api.security.asgi import Layer

RAY_COOKIE = "ray-authentication-token"
"""Cookies ignore ports: a browser that uses Ray's dashboard on this host sends Ray's admin token here too."""

REMOVED = (b"x-ray-authorization", b"x-request-", b"serve_", b"serve-", b"x-serve-", b"ray-")
"""Ray's token, and headers by which clients would steer Serve (timeouts, disconnects, model ids)."""


class UntrustedHeaders:
    """Removes Ray's cookie and the headers of `REMOVED`."""

    def __init__(self, app: Layer) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI says."""
        if scope["type"] in ("http", "websocket"):
            scope["headers"] = [
                (name, _without_ray(value) if name == b"cookie" else value)
                for name, value in scope["headers"]
                if not name.startswith(REMOVED)
            ]
        await self._app(scope, receive, send)


def _without_ray(cookies: bytes) -> bytes:
    kept = [part for part in cookies.split(b";") if part.split(b"=")[0].strip().lower() != RAY_COOKIE.encode()]
    return b";".join(kept).strip()
