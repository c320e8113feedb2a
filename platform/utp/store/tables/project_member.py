"""Table `project_members`: who sees which project."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, Time


class ProjectMember(Base):
    """One user of one project."""

    __tablename__ = "project_members"
    __table_args__ = (Index(None, "user_id"),)

    project_id: Mapped[Id] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id"), primary_key=True)
    added_at: Mapped[Time]
