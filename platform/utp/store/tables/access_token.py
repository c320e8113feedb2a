"""Table `access_tokens`: what programs sign in with."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.access import Scope
from utp.store.tables.base import Base, Id, Time


class AccessToken(Base):
    """One token; itself it is nowhere, only its hash."""

    __tablename__ = "access_tokens"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    scope: Mapped[Scope]
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the token, in hex: 256 random bits need no slow hash."""
    created_at: Mapped[Time]
    expires_at: Mapped[Time]
    last_used_at: Mapped[Time | None]
