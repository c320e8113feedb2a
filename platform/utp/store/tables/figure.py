"""Table `figures`: the newest of each of a run's figures."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, Time


class Figure(Base):
    """One figure file."""

    __tablename__ = "figures"

    run_id: Mapped[Id] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    path: Mapped[str]
    """Relative to the run's directory."""
    step: Mapped[int]
    created_at: Mapped[Time]
