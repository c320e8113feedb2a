"""Table `experiment_groups`: runs of a project that answer one question."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, LongText, Time


class ExperimentGroup(Base):
    """One group; its name is unique within the project."""

    __tablename__ = "experiment_groups"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    project_id: Mapped[Id] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str]
    description: Mapped[LongText] = mapped_column(default="", server_default=text("''"))
    created_at: Mapped[Time]
