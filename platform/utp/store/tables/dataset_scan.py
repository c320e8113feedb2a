"""Table `dataset_scans`: the newest scan of each dataset."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, LongText, Time


class DatasetScan(Base):
    """One scan, with the progress that every process sees."""

    __tablename__ = "dataset_scans"

    dataset_id: Mapped[Id] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    token: Mapped[Id]
    """Claim of the scanner; a stale one writes nothing."""
    state: Mapped[str] = mapped_column(String(16))
    """`running`, `done` or `failed`."""
    num_seen: Mapped[int] = mapped_column(default=0)
    num_total: Mapped[int | None]
    message: Mapped[LongText] = mapped_column(default="")
    started_at: Mapped[Time]
    beat_at: Mapped[Time]
    """A running one without a beat for long has failed."""
    ended_at: Mapped[Time | None]
    version_id: Mapped[Id | None] = mapped_column(ForeignKey("dataset_versions.id"))
    report: Mapped[dict[str, Any] | None]
    """Counts by split and class, sizes, problems with at most 20 paths each."""
