"""Table `metric_blocks`: folded points of a series, up to 1000 a row, with their extremes at three resolutions."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Size


class MetricBlock(Base):
    """Points as `store.metric_blocks` packs them."""

    __tablename__ = "metric_blocks"

    series_id: Mapped[Size] = mapped_column(ForeignKey("metric_series.id", ondelete="CASCADE"), primary_key=True)
    first_step: Mapped[int] = mapped_column(primary_key=True)
    last_step: Mapped[int]
    num_points: Mapped[int]
    points: Mapped[bytes]
    by_10: Mapped[bytes]
    """Lowest and highest point of every 10."""
    by_100: Mapped[bytes]
    by_1000: Mapped[bytes]
