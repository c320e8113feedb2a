"""Curves of metrics, of many runs at once, thinned out so that no spike is lost."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, func, select

from utp.store.database import Database
from utp.store.metric_blocks import RESOLUTIONS, Points, thin_out, unpack
from utp.store.prepared import Prepared
from utp.store.tables.metric_block import MetricBlock
from utp.store.tables.metric_point import MetricPoint
from utp.store.tables.metric_series import MetricSeries

MIN_POINTS = 4
"""First, last and two extremes."""

_RUN_IDS: BindParameter[Any] = bindparam("run_ids", expanding=True)
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_FIRST: BindParameter[int] = bindparam("first")
_LAST: BindParameter[int] = bindparam("last")
_LATEST = Prepared(
    select(MetricSeries.run_id, MetricSeries.kind, MetricSeries.name, MetricSeries.last_step, MetricSeries.last_value)
    .add_columns(MetricSeries.num_hot + MetricSeries.num_folded)
    .where(MetricSeries.run_id.in_(_RUN_IDS), MetricSeries.last_step >= 0)
    .order_by(MetricSeries.name)
)
_SERIES = (
    select(MetricSeries.id, MetricSeries.run_id, MetricSeries.kind, MetricSeries.name)
    .add_columns(MetricSeries.num_hot, MetricSeries.num_folded)
    .where(MetricSeries.run_id.in_(_RUN_IDS), MetricSeries.name.in_(bindparam("names", expanding=True)))
    .order_by(MetricSeries.run_id, MetricSeries.name, MetricSeries.kind)
)
_SERIES_OF_ANY_KIND = Prepared(_SERIES)
_SERIES_OF_KIND = Prepared(_SERIES.where(MetricSeries.kind == bindparam("kind")))
_COPIES = {1: MetricBlock.points, 10: MetricBlock.by_10, 100: MetricBlock.by_100, 1000: MetricBlock.by_1000}
_BLOCKS = {
    resolution: Prepared(
        select(MetricBlock.series_id, copy)
        .where(MetricBlock.series_id.in_(_IDS), MetricBlock.last_step >= _FIRST, MetricBlock.first_step <= _LAST)
        .order_by(MetricBlock.series_id, MetricBlock.first_step)
    )
    for resolution, copy in _COPIES.items()
}
_ROWS = Prepared(
    select(MetricPoint.series_id, MetricPoint.step, MetricPoint.value)
    .where(MetricPoint.series_id.in_(_IDS), MetricPoint.step >= _FIRST, MetricPoint.step <= _LAST)
    .order_by(MetricPoint.series_id, MetricPoint.step)
)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One metric of one run, over all its attempts."""

    run_id: str
    kind: str
    """`train`, `epoch` or `test`."""
    name: str
    points: Points
    num_points: int
    """Points there are; more than `points` holds where it was thinned out."""
    is_thinned: bool = False
    """Whether `points` are fewer than there are between the steps that were asked for."""


@dataclass(frozen=True)
class LatestValue:
    """The newest point of a metric."""

    kind: str
    name: str
    step: int
    value: float | None
    num_points: int


class _Series(NamedTuple):
    id: int
    run_id: str
    kind: str
    name: str
    num_hot: int
    num_folded: int


class CurveRepository:
    """Queries over metrics."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_curves(
        self,
        run_ids: Sequence[str],
        names: Sequence[str],
        *,
        kind: str | None = None,
        max_points: int = 1000,
        first_step: int | None = None,
        last_step: int | None = None,
    ) -> list[Curve]:
        """Return the curves of these metrics by run, name and kind, each with `max_points` at most (4 or more).

        Highest and lowest points are kept. Steps outside `first_step` and `last_step`, both included, are left out.
        """
        max_points = max(max_points, MIN_POINTS)
        bounds = (first_step if first_step is not None else -1, last_step if last_step is not None else 2**31 - 1)
        with self._database.read() as connection:
            series = _find_series(connection, run_ids, names, kind)
            is_whole = first_step is None and last_step is None
            counts = {} if is_whole else _count_folded(connection, [row.id for row in series], bounds)
            by_resolution: dict[int, list[int]] = defaultdict(list)
            for row in series:
                num_folded = row.num_folded if is_whole else counts.get(row.id, 0)
                by_resolution[_resolution(num_folded, max_points)].append(row.id)
            folded: dict[int, list[bytes]] = defaultdict(list)
            for resolution, ids in by_resolution.items():
                _read_blocks(connection, resolution, ids, bounds, folded)
            hot = _read_rows(connection, [row.id for row in series if row.num_hot], bounds)
        coarse = {series_id for resolution, ids in by_resolution.items() if resolution > 1 for series_id in ids}
        curves = []
        for row in series:
            points = _within(unpack(*folded[row.id]), bounds) if not is_whole else unpack(*folded[row.id])
            steps, values = hot.get(row.id, ((), ()))
            points.steps.extend(steps)
            points.values.extend(values)
            num_points = row.num_folded + row.num_hot
            thin = thin_out(points, max_points)
            is_thinned = (row.id in coarse and row.num_folded > 0) or len(thin) < len(points)
            place = {"run_id": row.run_id, "kind": row.kind, "name": row.name}
            curves.append(Curve(**place, points=thin, num_points=num_points, is_thinned=is_thinned))
        return curves

    def latest_values(self, run_ids: Sequence[str]) -> dict[str, list[LatestValue]]:
        """Return the newest value of every metric of these runs, by run id."""
        latest: dict[str, list[LatestValue]] = {run_id: [] for run_id in run_ids}
        with self._database.read() as connection:
            for run_id, *values in _LATEST.rows(connection, {"run_ids": run_ids}):
                latest[run_id].append(LatestValue(*values))
        return latest


def _find_series(
    connection: Connection, run_ids: Sequence[str], names: Sequence[str], kind: str | None
) -> list[_Series]:
    asked = {"run_ids": run_ids, "names": names}
    if kind is not None:
        return [_Series(*row) for row in _SERIES_OF_KIND.rows(connection, {**asked, "kind": kind})]
    return [_Series(*row) for row in _SERIES_OF_ANY_KIND.rows(connection, asked)]


def _count_folded(connection: Connection, ids: Iterable[int], bounds: tuple[int, int]) -> dict[int, int]:
    """Count folded points of each series within the bounds, to the block."""
    inside = (MetricBlock.series_id.in_(ids), MetricBlock.last_step >= bounds[0], MetricBlock.first_step <= bounds[1])
    query = select(MetricBlock.series_id, func.sum(MetricBlock.num_points)).where(*inside)
    return {row[0]: row[1] for row in connection.execute(query.group_by(MetricBlock.series_id))}


def _resolution(num_points: int, max_points: int) -> int:
    """Return the coarsest copy that still has as many points as are wanted; 1 for the points themselves."""
    fitting = [resolution for resolution in RESOLUTIONS if 2 * num_points >= max_points * resolution]
    return max(fitting, default=1)


def _read_blocks(
    connection: Connection, resolution: int, ids: Iterable[int], bounds: tuple[int, int], into: dict[int, list[bytes]]
) -> None:
    asked = {"ids": list(ids), "first": bounds[0], "last": bounds[1]}
    for series_id, packed in _BLOCKS[resolution].rows(connection, asked):
        into[series_id].append(packed)


def _read_rows(
    connection: Connection, ids: Iterable[int], bounds: tuple[int, int]
) -> dict[int, tuple[list[int], list[float]]]:
    """Return steps and values of the points that are not folded."""
    hot: dict[int, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
    asked = {"ids": list(ids), "first": bounds[0], "last": bounds[1]}
    for series_id, step, value in _ROWS.rows(connection, asked) if asked["ids"] else ():
        hot[series_id][0].append(step)
        hot[series_id][1].append(value)
    return hot


def _within(points: Points, bounds: tuple[int, int]) -> Points:
    """Cut off what the first and the last block have beyond the bounds."""
    first, last = bisect_left(points.steps, bounds[0]), bisect_right(points.steps, bounds[1])
    return Points(points.steps[first:last], points.values[first:last])
