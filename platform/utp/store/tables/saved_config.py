"""Table `saved_configs`: configs of a project by name, as people keep and edit them."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, LongText, Time


class SavedConfig(Base):
    """One named config; its content is a row of `configs`, which many share and none changes."""

    __tablename__ = "saved_configs"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    project_id: Mapped[Id] = mapped_column(ForeignKey("projects.id"))
    name: Mapped[str]
    description: Mapped[LongText] = mapped_column(default="")
    config_id: Mapped[Id] = mapped_column(ForeignKey("configs.id"))
    created_by: Mapped[str]
    created_at: Mapped[Time]
    updated_at: Mapped[Time]
    archived_at: Mapped[Time | None]
