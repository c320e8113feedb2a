"""Table `run_events`: everything that happened to runs, append-only, in one order that a reader follows by `seq`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.states import RunState
from utp.store.tables.base import Base, Id, LongText, Size, Time


class RunEvent(Base):
    """One event. A run that is deleted leaves its last one, so `run_id` refers to nothing."""

    __tablename__ = "run_events"
    __table_args__ = (
        Index(None, "run_id", "seq"),
        {"sqlite_autoincrement": True},  # a number is never given out twice, not even after a deletion
    )

    seq: Mapped[Size] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[Id]
    attempt: Mapped[int]
    kind: Mapped[str]
    """`state`, `wish`, `health`, `epoch`, `checkpoint`, `figure`, `changed` or `deleted`."""
    old_state: Mapped[RunState | None]
    new_state: Mapped[RunState | None]
    reason: Mapped[LongText] = mapped_column(default="")
    data: Mapped[dict[str, Any] | None]
    at: Mapped[Time]
