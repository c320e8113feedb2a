"""Table `audit_entries`: who did what; only ever added to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Size, Time


class AuditEntry(Base):
    """One act; it holds no secret."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "object_id"), {"sqlite_autoincrement": True})

    id: Mapped[Size] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[Time]
    actor: Mapped[str]
    """Name of the user, as it was then."""
    action: Mapped[str]
    object_type: Mapped[str]
    object_id: Mapped[str]
    detail: Mapped[dict[str, Any] | None]
