"""Table `sessions`: browsers that are signed in."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.access import Scope
from utp.store.tables.base import Base, Id, Time


class Session(Base):
    """One browser; its cookie is only kept as a hash."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "user_id"),)

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the cookie, in hex."""
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    scope: Mapped[Scope]
    """Widest of a one-time link; that of the token, where one was used to sign in."""
    token_id: Mapped[Id | None]
    """Token that signed it in; the session ends with it."""
    created_at: Mapped[Time]
    expires_at: Mapped[Time]
