"""Points of metrics: where they go as they come in, and what a resumed attempt takes away."""

from __future__ import annotations

from sqlalchemy import delete, func, select, update

from utp.store.database import Transaction
from utp.store.tables.metric_point import MetricPoint
from utp.store.tables.metric_series import MetricSeries


def cut_beyond(tx: Transaction, run_id: str, step: int) -> None:
    """Remove all points of a run beyond a step: the attempt that starts there computes them again."""
    series = select(MetricSeries.id).where(MetricSeries.run_id == run_id, MetricSeries.last_step > step)
    void = delete(MetricPoint).where(MetricPoint.series_id.in_(series), MetricPoint.step > step)
    tx.connection.execute(void)
    num_hot = select(func.count()).where(MetricPoint.series_id == MetricSeries.id).scalar_subquery()
    cut = update(MetricSeries).where(MetricSeries.id.in_(series)).values(num_hot=num_hot)
    tx.connection.execute(cut)
