"""Table `metric_points`: the live tail of a series, at most 100 rows, one a point."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Size


class MetricPoint(Base):
    """One point."""

    __tablename__ = "metric_points"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012  the base class declares it so

    series_id: Mapped[Size] = mapped_column(ForeignKey("metric_series.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float]
