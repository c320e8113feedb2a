"""Table `projects`: whose runs stand together, and how much they may use at once."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, LongText, Time


class Project(Base):
    """One project."""

    __tablename__ = "projects"

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[LongText] = mapped_column(default="")
    max_gpus: Mapped[int | None]
    """GPUs that its runs may hold together; none means no limit."""
    created_at: Mapped[Time]
    updated_at: Mapped[Time | None]
    archived_at: Mapped[Time | None]
