"""ETags of editable things: a read sends one, an edit has to name it, so that no edit undoes another unseen."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from fastapi import Header, Response

from utp.api.errors import PreconditionFailed, PreconditionMissing

IfMatch = Annotated[str | None, Header(description="ETag of the state that the change is meant for.")]


def etag_of(*state: Any) -> str:
    """Return the ETag of the values that an edit may change; each is JSON or has a text form."""
    text = json.dumps(state, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def set_etag(response: Response, etag: str) -> None:
    """Send an ETag; a shared cache may keep nothing of it."""
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "private, no-cache"


def check_if_match(if_match: str | None, etag: str) -> None:
    """Raise `PreconditionMissing` (428) without If-Match, `PreconditionFailed` (412) for an older state."""
    if if_match is None:
        raise PreconditionMissing
    if if_match.strip() != "*" and etag not in [one.strip().removeprefix("W/") for one in if_match.split(",")]:
        raise PreconditionFailed
