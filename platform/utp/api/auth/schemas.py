"""Bodies of signing in."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from utp.api.schemas import Answer, Asked, Id
from utp.api.security.credentials import MAX_CREDENTIAL
from utp.store.access import Role


class LogIn(Asked):
    """What somebody signs in with."""

    code: Annotated[str, Field(min_length=1, max_length=MAX_CREDENTIAL, repr=False)]
    """Code of a one-time link, or an access token."""


class Me(Answer):
    """Who makes the request."""

    id: Id
    name: str
    role: Role
    projects: list[Id] | None
    """Projects that they see; null means all."""
