"""Bodies of users."""

from __future__ import annotations

from utp.api.schemas import Answer, Asked, Id, Name, Page, Time
from utp.store.access import Role


class UserCreate(Asked):
    """A user to add."""

    name: Name
    role: Role = Role.MEMBER


class UserPatch(Asked):
    """What to change; what is left out stays."""

    name: Name | None = None
    role: Role | None = None
    is_disabled: bool | None = None
    """A disabled user's sessions and tokens end at once."""


class User(Answer):
    """One user."""

    id: Id
    name: str
    role: Role
    is_disabled: bool
    created_at: Time
    updated_at: Time


class UserPage(Page[User]):
    """Users."""


class LoginLink(Answer):
    """A link that signs its user in once; it is shown this once."""

    url: str
    expires_at: Time
