"""THE SHORT LIST of what is open to strangers; everything else needs somebody who is known."""

from __future__ import annotations

PUBLIC_PATHS = frozenset(
    {
        "/healthz",
        "/readyz",
        "/api/v1/auth/login",
        "/login",
        "/login/",
        "/favicon.ico",
        "/icon.svg",
        "/theme.js",  # dark or light, before the first paint of the login page too
    }
)
PUBLIC_PREFIXES = ("/_next/static/",)
"""Code, styles and fonts of the page: the login page needs them, and they are the same everywhere."""


def is_public(path: str) -> bool:
    """Whether a stranger may ask for this path."""
    return path in PUBLIC_PATHS or (path.startswith(PUBLIC_PREFIXES) and ".." not in path)
