"""What admins do with users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from utp.api.etag import check_if_match, etag_of
from utp.api.paging import PageRequest, page_in_memory
from utp.api.schemas import to_time
from utp.api.security.credentials import LINK_PREFIX, hash_secret, new_secret
from utp.api.security.first_start import login_url
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.api.users.schemas import LoginLink, User, UserCreate, UserPage, UserPatch
from utp.store.recorder.creation import CreationKey
from utp.store.repositories.people import PeopleRepository, UserRow

SORTS = {"name": lambda row: row.name, "role": lambda row: str(row.role), "created_at": lambda row: row.created_at}
EDITABLE = ("name", "role", "is_disabled")


class UserService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal
        self._people = PeopleRepository(services.database)

    def list_users(self, page: PageRequest) -> UserPage:
        """Return all users; whoever may manage a project chooses its members among them."""
        self._principal.require(None, Action.MANAGE)
        rows = [row for row in self._people.list_users() if (page.q or "").lower() in row.name.lower()]
        items, cursor = page_in_memory(rows, page, SORTS, "name", lambda row: row.id)
        return UserPage(items=[_to_user(row) for row in items], next_cursor=cursor, total=len(rows))

    def create(self, asked: UserCreate, creation: CreationKey | None) -> User:
        """Add a user, who can sign in once they have a link."""
        self._principal.require(None, Action.ADMINISTER)
        user_id = self._services.recorder.add_user(asked.name, asked.role, creation=creation)
        return _to_user(self._people.get_user(user_id))

    def get(self, user_id: str) -> tuple[User, str]:
        """Return a user and their ETag."""
        self._principal.require(None, Action.ADMINISTER)
        row = self._people.get_user(user_id)
        return _to_user(row), etag_of(*(getattr(row, name) for name in EDITABLE))

    def change(self, user_id: str, asked: UserPatch, if_match: str | None) -> tuple[User, str]:
        """Change what was given, where the ETag still holds."""
        self._principal.require(None, Action.ADMINISTER)
        changes = asked.model_dump(exclude_unset=True, exclude_none=True)

        def check(row: Mapping[str, Any]) -> None:
            check_if_match(if_match, etag_of(*(row[name] for name in EDITABLE)))

        self._services.recorder.change_user(user_id, changes, check)
        return self.get(user_id)

    def add_login_link(self, user_id: str, base_url: str) -> LoginLink:
        """Make a link that signs the user in once; an earlier one ends."""
        self._principal.require(None, Action.ADMINISTER)
        code = new_secret(LINK_PREFIX)
        expires_at = self._services.recorder.add_login_link(user_id, hash_secret(code, self._services.settings))
        return LoginLink(url=login_url(base_url, code), expires_at=to_time(expires_at))


def _to_user(row: UserRow) -> User:
    return User(
        id=row.id,
        name=row.name,
        role=row.role,
        is_disabled=row.is_disabled,
        created_at=to_time(row.created_at),
        updated_at=to_time(row.updated_at),
    )
