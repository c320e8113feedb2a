"""Exact lists of Hosts (against DNS rebinding) and Origins (against other sites' pages), over HTTP and WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from utp.api.errors import status_problem
from utp.api.security.asgi import Layer, header, headers, refuse

ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Range"
EXPOSED_HEADERS = "ETag, Retry-After, Content-Range, Location"
PREFLIGHT_LIFE_S = 600


class HostsAndOrigins:
    """Refuses unknown Hosts and Origins; adds CORS headers for the known ones."""

    def __init__(self, app: Layer, *, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI says."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        hosts, origins = headers(scope, b"host"), headers(scope, b"origin")
        if len(hosts) != 1 or host_name(hosts[0]) not in self._hosts:
            problem = status_problem(400, "this Host is not served here", "an admin adds it to UTP_ALLOWED_HOSTS")
            await refuse(scope, receive, send, problem)
        elif len(origins) > 1 or (origins and not self._knows(origins[0].lower(), hosts[0].lower())):
            problem = status_problem(
                403, "this Origin may not use the API", "an admin adds it to DASHBOARD_CORS_ORIGINS"
            )
            await refuse(scope, receive, send, problem)
        elif not origins or origins[0].lower() not in self._origins or scope["type"] == "websocket":
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method"):
            await Response(status_code=204, headers=_preflight(origins[0]))(scope, receive, send)
        else:
            await self._app(scope, receive, _with_cors(send, origins[0]))

    def _knows(self, origin: str, host: str) -> bool:
        if origin in self._origins:
            return True
        # Behind a proxy with TLS the page is https and this app sees http: host and port have to be the same.
        scheme, _, rest = origin.partition("://")
        return scheme in ("http", "https") and rest == host


@lru_cache(maxsize=256)
def host_name(host: str) -> str:
    """Return the name of a Host header, without its port; empty for a malformed one."""
    try:
        parts = urlsplit(f"//{host}")
        if parts.netloc != host or "@" in host or parts.path or (parts.port is not None and not parts.hostname):
            return ""
    except ValueError:
        return ""
    name = (parts.hostname or "").rstrip(".")
    return f"[{name}]" if ":" in name else name


def _cors(origin: str) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}


def _preflight(origin: str) -> dict[str, str]:
    allowed = {"Access-Control-Allow-Methods": ALLOWED_METHODS, "Access-Control-Allow-Headers": ALLOWED_HEADERS}
    return {**_cors(origin), **allowed, "Access-Control-Max-Age": str(PREFLIGHT_LIFE_S)}


def _with_cors(send: Send, origin: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered = MutableHeaders(scope=message)
            for name, value in _cors(origin).items():
                answered.append(name, value) if name == "Vary" else answered.__setitem__(name, value)
            answered["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        await send(message)

    return sending
