"""Table `datasets`: folders that runs train on."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, Time


class Dataset(Base):
    """One dataset folder."""

    __tablename__ = "datasets"

    id: Mapped[Id] = mapped_column(primary_key=True)
    name: Mapped[str]
    root: Mapped[str] = mapped_column(unique=True)
    """Absolute path."""
    created_at: Mapped[Time]
