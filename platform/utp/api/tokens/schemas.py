"""Bodies of access tokens."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from utp.api.schemas import Answer, Asked, Id, Name, Page, Time
from utp.store.access import Scope

MAX_DAYS = 366


class AccessTokenCreate(Asked):
    """A token to make."""

    name: Name
    scope: Scope = Scope.WRITE
    expires_in_days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = 90


class AccessToken(Answer):
    """One of your tokens, without itself."""

    id: Id
    name: str
    scope: Scope
    expires_at: Time
    last_used_at: Time | None
    created_at: Time


class AccessTokenCreated(AccessToken):
    """A new token; it is shown this once."""

    token: str


class AccessTokenPage(Page[AccessToken]):
    """Your tokens."""
