"""Table `metric_series`: one metric of one run, with its newest and extreme values for lists."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, Size


class MetricSeries(Base):
    """The points (step, value) of one metric, hot ones in `metric_points`, older ones in `metric_blocks`."""

    __tablename__ = "metric_series"
    __table_args__ = (UniqueConstraint("run_id", "kind", "name"),)

    id: Mapped[Size] = mapped_column(primary_key=True, autoincrement=True)
    run_id: Mapped[Id] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    kind: Mapped[str]
    """`train`, `epoch` or `test`."""
    name: Mapped[str]
    """Id of the metric, as `val_acc@1`."""
    num_hot: Mapped[int] = mapped_column(default=0)
    """Points not folded yet."""
    num_folded: Mapped[Size] = mapped_column(default=0)
    open_step: Mapped[int] = mapped_column(default=-1)
    """First step of the newest block, which grows until it is full; -1 without one."""
    open_size: Mapped[int] = mapped_column(default=0)
    """Points in it."""
    last_step: Mapped[int] = mapped_column(default=-1)
    last_value: Mapped[float | None]
