"""Users, what they sign in with, members of projects, and the trail of what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from utp.store.access import Role, Scope
from utp.store.database import Transaction
from utp.store.errors import Conflict, NotFound
from utp.store.ids import new_id
from utp.store.recorder.creation import CreationKey, once
from utp.store.recorder.writer import Writer
from utp.store.tables.access_token import AccessToken
from utp.store.tables.audit_entry import AuditEntry
from utp.store.tables.login_link import LoginLink
from utp.store.tables.project import Project
from utp.store.tables.project_member import ProjectMember
from utp.store.tables.session import Session
from utp.store.tables.user import User

FIRST_ADMIN = "admin"
DAY_S = 86_400.0
LINK_LIFE_S = DAY_S
SESSION_LIFE_S = 30 * DAY_S
TOKEN_USE_STEP_S = 60.0
"""`last_used_at` is not written more often."""


@dataclass(frozen=True, kw_only=True)
class NewSession:
    """A browser that signed in."""

    user_id: str
    expires_at: float


class PeopleWriter(Writer):
    """Writes users and their credentials, of which it only ever sees hashes."""

    def add_user(self, name: str, role: Role, *, creation: CreationKey | None = None) -> str:
        """Add a user and return their id. Raises `Conflict` for a name that is taken."""

        def create(tx: Transaction) -> str:
            _check_name_is_free(tx, name)
            return _insert_user(tx, name, role)

        return self._database.write(lambda tx: once(tx, creation, lambda: create(tx)))

    def change_user(
        self, user_id: str, changes: Mapping[str, Any], check: Callable[[Mapping[str, Any]], None] | None = None
    ) -> None:
        """Change name, role or `is_disabled`, which ends all that the user signs in with.

        Raises `NotFound`, `Conflict`, and what `check` does with the old row.
        """

        def work(tx: Transaction) -> None:
            row = tx.connection.execute(select(User.__table__).where(User.id == user_id)).mappings().first()
            if row is None:
                raise NotFound("user", user_id)
            if check is not None:
                check(dict(row))
            if changes.get("name", row["name"]) != row["name"]:
                _check_name_is_free(tx, changes["name"])
            tx.connection.execute(update(User).where(User.id == user_id).values(**changes, updated_at=tx.now))
            admins = select(func.count()).where(User.role == Role.ADMIN, User.is_disabled.is_(False))
            if not tx.connection.execute(admins).scalar_one():
                raise Conflict("this is the last admin who can sign in", "make somebody else an admin first")
            if changes.get("is_disabled"):
                _end_credentials(tx, user_id)

        self._database.write(work)

    def add_login_link(self, user_id: str, hash: str, *, life_s: float = LINK_LIFE_S) -> float:  # noqa: A002
        """Keep a one-time code's hash and return when it expires; earlier links of the user end.

        Raises:
            NotFound: there is no such user.
            Conflict: they are disabled, so that the link would let nobody in.
        """

        def work(tx: Transaction) -> float:
            is_disabled = tx.connection.scalar(select(User.is_disabled).where(User.id == user_id))
            if is_disabled is None:
                raise NotFound("user", user_id)
            if is_disabled:
                raise Conflict("the user is disabled, and the link would let nobody in", "enable them first")
            return _insert_link(tx, user_id, hash, life_s)

        return self._database.write(work)

    def add_first_admin(self, hash: str) -> bool:  # noqa: A002
        """Add the first admin with this login link, as long as nobody has ever signed in; False where somebody has."""

        def work(tx: Transaction) -> bool:
            if tx.connection.scalar(select(LoginLink.hash).where(LoginLink.used_at.is_not(None)).limit(1)):
                return False
            if tx.connection.scalar(select(AccessToken.id).limit(1)):
                return False
            user_id = tx.connection.scalar(select(User.id).where(User.role == Role.ADMIN).order_by(User.id).limit(1))
            _insert_link(tx, user_id or _insert_user(tx, FIRST_ADMIN, Role.ADMIN), hash, LINK_LIFE_S)
            return True

        return self._database.write(work)

    def open_session(self, code_hash: str, session_hash: str) -> NewSession | None:
        """Sign a browser in with a one-time code or a token, by its hash; None where it is unknown, used or expired."""

        def work(tx: Transaction) -> NewSession | None:
            tx.connection.execute(delete(Session).where(Session.expires_at <= tx.now))
            found = _use_link(tx, code_hash) or _find_token(tx, code_hash)
            if found is None:
                return None
            user_id, scope, token_id, expires_at = found
            row = {"hash": session_hash, "user_id": user_id, "scope": scope, "token_id": token_id}
            tx.connection.execute(insert(Session).values(**row, created_at=tx.now, expires_at=expires_at))
            return NewSession(user_id=user_id, expires_at=expires_at)

        return self._database.write(work)

    def close_session(self, session_hash: str) -> None:
        """Sign a browser out."""
        self._database.write(
            lambda tx: tx.connection.execute(delete(Session).where(Session.hash == session_hash)).close()
        )

    def add_token(
        self,
        user_id: str,
        *,
        name: str,
        scope: Scope,
        hash: str,  # noqa: A002
        life_s: float,
    ) -> str:
        """Keep a token's hash and return the token's id."""

        def work(tx: Transaction) -> str:
            token_id = new_id()
            row = {"id": token_id, "user_id": user_id, "name": name, "scope": scope, "hash": hash}
            tx.connection.execute(insert(AccessToken).values(**row, created_at=tx.now, expires_at=tx.now + life_s))
            return token_id

        return self._database.write(work)

    def delete_token(self, user_id: str, token_id: str) -> None:
        """End a token of a user, and the sessions it opened. Raises `NotFound`."""

        def work(tx: Transaction) -> None:
            mine = (AccessToken.id == token_id, AccessToken.user_id == user_id)
            if not tx.connection.execute(delete(AccessToken).where(*mine)).rowcount:
                raise NotFound("token", token_id)
            tx.connection.execute(delete(Session).where(Session.token_id == token_id))

        self._database.write(work)

    def note_token_use(self, token_id: str) -> None:
        """Note that a token was used, at most once a minute."""

        def work(tx: Transaction) -> None:
            old = func.coalesce(AccessToken.last_used_at, 0.0) < tx.now - TOKEN_USE_STEP_S
            used = update(AccessToken).where(AccessToken.id == token_id, old)
            tx.connection.execute(used.values(last_used_at=tx.now))

        self._database.write(work)

    def set_member(self, project_id: str, user_id: str, *, is_member: bool) -> None:
        """Let a user see a project, or no longer. Raises `NotFound` for an unknown project or user."""

        def work(tx: Transaction) -> None:
            for noun, table, row_id in (("project", Project, project_id), ("user", User, user_id)):
                if tx.connection.scalar(select(table.id).where(table.id == row_id)) is None:
                    raise NotFound(noun, row_id)
            mine = (ProjectMember.project_id == project_id, ProjectMember.user_id == user_id)
            is_there = tx.connection.scalar(select(ProjectMember.user_id).where(*mine)) is not None
            if is_member and not is_there:
                row = {"project_id": project_id, "user_id": user_id, "added_at": tx.now}
                tx.connection.execute(insert(ProjectMember).values(**row))
            elif not is_member and is_there:
                tx.connection.execute(delete(ProjectMember).where(*mine))

        self._database.write(work)

    def add_audit_entry(
        self, *, actor: str, action: str, object_type: str, object_id: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Note who did what; never a secret."""
        self.add_audit_entries(
            actor=actor, action=action, object_type=object_type, object_ids=[object_id], detail=detail
        )

    def add_audit_entries(
        self,
        *,
        actor: str,
        action: str,
        object_type: str,
        object_ids: Sequence[str],
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Note who did the same to several things, an entry each."""

        def work(tx: Transaction) -> None:
            same = {"actor": actor, "action": action, "object_type": object_type, "at": tx.now}
            same["detail"] = dict(detail) if detail else None
            tx.connection.execute(insert(AuditEntry), [{**same, "object_id": object_id} for object_id in object_ids])

        if object_ids:
            self._database.write(work)


def _insert_user(tx: Transaction, name: str, role: Role) -> str:
    user_id = new_id()
    row = {"id": user_id, "name": name, "role": role, "is_disabled": False}
    tx.connection.execute(insert(User).values(**row, created_at=tx.now, updated_at=tx.now))
    return user_id


def _end_credentials(tx: Transaction, user_id: str) -> None:
    """Not only while the user is disabled: what was stolen must not come back with its owner."""
    tx.connection.execute(delete(Session).where(Session.user_id == user_id))
    tx.connection.execute(delete(AccessToken).where(AccessToken.user_id == user_id))
    tx.connection.execute(delete(LoginLink).where(LoginLink.user_id == user_id, LoginLink.used_at.is_(None)))


def _check_name_is_free(tx: Transaction, name: str) -> None:
    if tx.connection.scalar(select(User.id).where(User.name == name)):
        raise Conflict(f"there is a user {name!r} already", "choose another name")


def _insert_link(tx: Transaction, user_id: str, code_hash: str, life_s: float) -> float:
    tx.connection.execute(delete(LoginLink).where(LoginLink.user_id == user_id, LoginLink.used_at.is_(None)))
    expires_at = tx.now + life_s
    row = {"hash": code_hash, "user_id": user_id, "created_at": tx.now, "expires_at": expires_at}
    tx.connection.execute(insert(LoginLink).values(**row))
    return expires_at


_Credential = tuple[str, Scope, str | None, float]
"""User, scope, token if it is one, end of the session."""


def _use_link(tx: Transaction, code_hash: str) -> _Credential | None:
    usable = (LoginLink.hash == code_hash, LoginLink.used_at.is_(None), LoginLink.expires_at > tx.now)
    query = select(LoginLink.user_id).join(User, User.id == LoginLink.user_id)
    user_id = tx.connection.scalar(query.where(*usable, User.is_disabled.is_(False)))
    if user_id is None:
        return None
    tx.connection.execute(update(LoginLink).where(LoginLink.hash == code_hash).values(used_at=tx.now))
    return user_id, Scope.ADMIN, None, tx.now + SESSION_LIFE_S


def _find_token(tx: Transaction, token_hash: str) -> _Credential | None:
    query = select(AccessToken.id, AccessToken.user_id, AccessToken.scope, AccessToken.expires_at)
    query = query.join(User, User.id == AccessToken.user_id).where(User.is_disabled.is_(False))
    row = tx.connection.execute(query.where(AccessToken.hash == token_hash, AccessToken.expires_at > tx.now)).first()
    return None if row is None else (row.user_id, row.scope, row.id, min(row.expires_at, tx.now + SESSION_LIFE_S))
