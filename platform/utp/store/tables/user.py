"""Table `users`: people who may sign in."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from utp.store.access import Role
from utp.store.tables.base import Base, Id, Time


class User(Base):
    """One user; never deleted, since the audit trail names them."""

    __tablename__ = "users"

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[Role]
    is_disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[Time]
    updated_at: Mapped[Time]
