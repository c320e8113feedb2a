"""Users, their tokens, who a credential belongs to, and the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, null, select

from utp.store.access import Role, Scope
from utp.store.database import Database
from utp.store.errors import NotFound
from utp.store.prepared import Prepared
from utp.store.tables.access_token import AccessToken
from utp.store.tables.audit_entry import AuditEntry
from utp.store.tables.project_member import ProjectMember
from utp.store.tables.session import Session
from utp.store.tables.user import User


@dataclass(frozen=True, kw_only=True)
class UserRow:
    """One user; times are seconds since 1970, UTC."""

    id: str
    name: str
    role: Role
    is_disabled: bool
    created_at: float
    updated_at: float


@dataclass(frozen=True, kw_only=True)
class TokenRow:
    """One token, without itself."""

    id: str
    name: str
    scope: Scope
    created_at: float
    expires_at: float
    last_used_at: float | None


@dataclass(frozen=True, kw_only=True)
class AuditRow:
    """One act."""

    id: int
    at: float
    actor: str
    action: str
    object_type: str
    object_id: str
    detail: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """Whose a credential is, and how far it goes."""

    user_id: str
    name: str
    role: Role
    scope: Scope
    project_ids: frozenset[str]
    """Projects that the user is a member of."""
    token_id: str | None
    """None for a browser's session."""
    last_used_at: float | None
    expires_at: float
    at: float
    """When it was looked up."""


class PeopleRepository:
    """Queries over people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_users(self) -> list[UserRow]:
        """Return all users by name."""
        columns = [getattr(User, name) for name in UserRow.__dataclass_fields__]
        with self._database.read() as connection:
            return [UserRow(**row._mapping) for row in connection.execute(select(*columns).order_by(User.name))]

    def get_user(self, user_id: str) -> UserRow:
        """Return one user. Raises `NotFound`."""
        columns = [getattr(User, name) for name in UserRow.__dataclass_fields__]
        with self._database.read() as connection:
            row = connection.execute(select(*columns).where(User.id == user_id)).first()
        if row is None:
            raise NotFound("user", user_id)
        return UserRow(**row._mapping)

    def find_user(self, name: str) -> UserRow | None:
        """Return the user of this name, if there is one."""
        return next((row for row in self.list_users() if row.name == name), None)

    def list_tokens(self, user_id: str) -> list[TokenRow]:
        """Return the tokens of a user, the newest first."""
        columns = [getattr(AccessToken, name) for name in TokenRow.__dataclass_fields__]
        query = select(*columns).where(AccessToken.user_id == user_id).order_by(AccessToken.id.desc())
        with self._database.read() as connection:
            return [TokenRow(**row._mapping) for row in connection.execute(query)]

    def list_audit(self, *, before_id: int | None, search: str | None, limit: int) -> list[AuditRow]:
        """Return entries, the newest first."""
        columns = [getattr(AuditEntry, name) for name in AuditRow.__dataclass_fields__]
        query = select(*columns).order_by(AuditEntry.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(AuditEntry.id < before_id)
        if search:
            texts = (AuditEntry.actor, AuditEntry.action, AuditEntry.object_type, AuditEntry.object_id)
            matches = [text.icontains(search, autoescape=True) for text in texts]
            query = query.where(matches[0] | matches[1] | matches[2] | matches[3])
        with self._database.read() as connection:
            return [AuditRow(**row._mapping) for row in connection.execute(query)]

    def find_token(self, token_hash: str, *, at_once: bool = False) -> SignedIn | None:
        """Return whose a token is; None where it is unknown or expired, or its user disabled.

        `at_once` is for an event loop: it raises `NotAtOnce` where it had to wait.
        """
        return self._signed_in(_BY_TOKEN, token_hash, at_once=at_once)

    def find_session(self, session_hash: str, *, at_once: bool = False) -> SignedIn | None:
        """Return whose a browser's session is; as for a token."""
        return self._signed_in(_BY_SESSION, session_hash, at_once=at_once)

    def _signed_in(self, query: Prepared, hashed: str, *, at_once: bool) -> SignedIn | None:
        if at_once:
            rows, now = self._database.look_up(query, {"hashed": hashed})
        else:
            with self._database.read() as connection:
                now = self._database.now(connection)
                rows = query.rows(connection, {"hashed": hashed, "now": now})
        if not rows:
            return None
        token_id, scope, expires_at, last_used_at, user_id, name, role, _ = rows[0]  # the others differ in the last
        return SignedIn(
            at=now,
            user_id=user_id,
            name=name,
            role=role,
            scope=scope,
            project_ids=frozenset(row[-1] for row in rows if row[-1] is not None),
            token_id=token_id,
            last_used_at=last_used_at,
            expires_at=expires_at,
        )


_BY_TOKEN = Prepared(
    select(AccessToken.id.label("token_id"), AccessToken.scope, AccessToken.expires_at, AccessToken.last_used_at)
    .add_columns(User.id, User.name, User.role, ProjectMember.project_id)
    .join(User, User.id == AccessToken.user_id)
    .outerjoin(ProjectMember, ProjectMember.user_id == User.id)
    .where(AccessToken.hash == bindparam("hashed"), AccessToken.expires_at > bindparam("now"))
    .where(User.is_disabled.is_(False))
)
_BY_SESSION = Prepared(
    select(null().label("token_id"), Session.scope, Session.expires_at, null().label("last_used_at"))
    .add_columns(User.id, User.name, User.role, ProjectMember.project_id)
    .join(User, User.id == Session.user_id)
    .outerjoin(ProjectMember, ProjectMember.user_id == User.id)
    .where(Session.hash == bindparam("hashed"), Session.expires_at > bindparam("now"), User.is_disabled.is_(False))
)
