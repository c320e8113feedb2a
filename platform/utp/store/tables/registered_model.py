"""Table `registered_models`: models of a project by name."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, LongText, Time


class RegisteredModel(Base):
    """One model with its versions."""

    __tablename__ = "registered_models"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    project_id: Mapped[Id] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str]
    description: Mapped[LongText] = mapped_column(default="")
    created_by: Mapped[str] = mapped_column(default="")
    created_at: Mapped[Time]
    updated_at: Mapped[Time]
    version: Mapped[int] = mapped_column(default=1)
    """Counts the edits."""
