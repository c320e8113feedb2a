"""Table `idempotency_keys`: creations that were done, so that they are not done twice."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, Time


class IdempotencyKey(Base):
    """One key of one user."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[Id] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    operation: Mapped[str]
    """Method and path."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the body, in hex."""
    object_id: Mapped[str]
    """What was created; empty for runs, which may be several and hold their key themselves."""
    created_at: Mapped[Time]
