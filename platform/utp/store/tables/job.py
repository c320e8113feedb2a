"""Table `jobs`: one row per attempt, with its placement, its lease, its times and how it ended."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from utp.errors import FailureKind
from utp.store.states import Outcome
from utp.store.tables.base import Base, Id, LongText, Time


class Job(Base):
    """One attempt at a run; a row with an outcome never changes."""

    __tablename__ = "jobs"

    run_id: Mapped[Id] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    submission_id: Mapped[str] = mapped_column(unique=True)
    """Ray's name of the job."""
    placement: Mapped[dict[str, Any] | None]
    host: Mapped[str | None]
    pid: Mapped[int | None]

    lease_until: Mapped[Time | None]
    """Without a word by then the attempt is lost; none before Ray has it."""
    progress_at: Mapped[Time | None]
    """When its step or phase last changed."""
    step: Mapped[int] = mapped_column(default=0)
    epoch: Mapped[int] = mapped_column(default=0)
    phase: Mapped[str] = mapped_column(default="")
    start_step: Mapped[int | None]
    """Step it resumed from; points of earlier attempts beyond it are void."""

    created_at: Mapped[Time]
    submitted_at: Mapped[Time | None]
    started_at: Mapped[Time | None]
    ended_at: Mapped[Time | None]
    outcome: Mapped[Outcome | None]
    failure_kind: Mapped[FailureKind | None]
    message: Mapped[LongText | None]
    rank: Mapped[int | None]
    """Rank that failed first."""
    is_charged: Mapped[bool] = mapped_column(default=False)
    """Its end counts against the cap of retries."""
