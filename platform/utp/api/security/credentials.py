"""Secrets that people and programs sign in with: 256 random bits each, kept only as hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from utp.settings import Settings

TOKEN_PREFIX = "utp_"  # noqa: S105  a prefix, not a secret
LINK_PREFIX = "utpl_"
SESSION_PREFIX = "utps_"
MAX_CREDENTIAL = 200
SESSION_COOKIE = "utp_session"
SOCKET_PROTOCOL_PREFIX = "utp.bearer."
"""A WebSocket's client that can set no header sends its token as a subprotocol."""


def new_secret(prefix: str) -> str:
    """Return a new secret; the prefix lets logs redact it, and scanners of leaks find it."""
    return prefix + secrets.token_urlsafe(32)


def hash_secret(secret: str, settings: Settings) -> str:
    """Return what is kept of a secret: SHA-256, keyed with `UTP_SECRET` where that is set, in hex.

    A slow hash is for passwords: nobody guesses 256 bits. The key keeps who can write to the database from making
    tokens.
    """
    if settings.secret is None:
        return hashlib.sha256(secret.encode()).hexdigest()
    return hmac.new(settings.secret.encode(), secret.encode(), hashlib.sha256).hexdigest()
