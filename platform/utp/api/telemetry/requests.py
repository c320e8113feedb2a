"""Counts requests and how long they take, by route and never by path: a path holds ids, and each would be a series."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Histogram
from starlette.types import Message, Receive, Scope, Send

from utp.api.routes import PREFIX
from utp.api.security.asgi import Layer

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestTimes:
    """An ASGI layer; a WebSocket is counted apart, since it has no end to wait for."""

    def __init__(self, app: Layer, *, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route", "status")
        self._times = Histogram(
            "utp_request_seconds", "Time of requests.", labels, buckets=BUCKETS_S, registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = getattr(scope.get("route"), "path", "other").removeprefix(PREFIX)
            self._times.labels(method, route, f"{status // 100}xx").observe(time.perf_counter() - began)
