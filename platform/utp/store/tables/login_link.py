"""Table `login_links`: links that sign a person in once."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, Time


class LoginLink(Base):
    """One link; its code is only kept as a hash."""

    __tablename__ = "login_links"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the code, in hex."""
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    expires_at: Mapped[Time]
    used_at: Mapped[Time | None]
