"""Headers that tell browsers what this page may do, on every answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from utp.api.security.asgi import Layer

Hashes = Callable[[], Sequence[str]]
"""Gives the hashes of the page's inline scripts, as `'sha256-...'`, which are known once it is built."""

SCRIPT_HASHES = "utp.script_hashes"
"""Key of the scope: what serves a page puts the hashes of that one's inline scripts there."""

FRAMED_PREFIX = "/tensorboard"
"""TensorBoard is shown inside our own page."""

FIXED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-site",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def no_hashes() -> Sequence[str]:
    """Return none: there is no page with inline scripts."""
    return ()


class SecurityHeaders:
    """Adds the headers."""

    def __init__(self, app: Layer, *, script_hashes: Hashes) -> None:
        self._app = app
        self._script_hashes = script_hashes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection, as ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                hashes = scope.get(SCRIPT_HASHES) or self._script_hashes()
                self._add(MutableHeaders(scope=message), scope["path"], hashes)
            await send(message)

        await self._app(scope, receive, sending)

    def _add(self, answered: MutableHeaders, path: str, hashes: Sequence[str]) -> None:
        for name, value in FIXED.items():
            answered.setdefault(name, value)
        is_framed = path.startswith(FRAMED_PREFIX)
        answered["X-Frame-Options"] = "SAMEORIGIN" if is_framed else "DENY"
        if is_framed and "content-security-policy" in answered:
            return  # TensorBoard's own, which names its scripts
        answered["Content-Security-Policy"] = content_security_policy(tuple(hashes), is_framed=is_framed)
        if path.startswith("/api/"):
            answered.setdefault("Cache-Control", "no-store")


@lru_cache(maxsize=128)  # there are as many as pages
def content_security_policy(script_hashes: tuple[str, ...], *, is_framed: bool) -> str:
    """Return the policy: only what this server sends, no inline script but those with a hash."""
    ancestors = "'self'" if is_framed else "'none'"
    return "; ".join(
        (
            "default-src 'self'",
            " ".join(("script-src 'self'", *script_hashes)),
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "frame-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            f"frame-ancestors {ancestors}",
        )
    )
