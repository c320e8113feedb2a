"""Table `checkpoints`: the committed checkpoints of runs."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, Size, Time


class Checkpoint(Base):
    """One committed directory."""

    __tablename__ = "checkpoints"

    run_id: Mapped[Id] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    step: Mapped[int]
    epoch: Mapped[int]
    size_bytes: Mapped[Size]
    is_best: Mapped[bool]
    metric: Mapped[str | None]
    value: Mapped[float | None]
    created_at: Mapped[Time]
