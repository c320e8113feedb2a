"""Points of metrics: the newest as rows, folded by the hundred into blocks; one unbroken curve over all attempts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, select, tuple_, update

from utp.store.database import Transaction
from utp.store.metric_blocks import BLOCK_SIZE, coarser_copies, make_points, unpack
from utp.store.tables.metric_block import MetricBlock
from utp.store.tables.metric_point import MetricPoint
from utp.store.tables.metric_series import MetricSeries

FOLD_AT = 100
"""Rows of a series that are folded: few enough to read for 100 curves, enough to rewrite a block seldom."""

# Each statement is built once: SQLAlchemy takes longer to build one than SQLite to answer it.
_COUNTS = ("num_hot", "num_folded", "open_step", "open_size", "last_step", "last_value")
_SERIES_OF_RUN = select(
    *(MetricSeries.kind, MetricSeries.name, MetricSeries.id, *(getattr(MetricSeries, name) for name in _COUNTS))
).where(MetricSeries.run_id == bindparam("run_id"))
_SAVE_SERIES = (
    update(MetricSeries)
    .where(MetricSeries.id == bindparam("key"))
    .values({name: bindparam(f"new_{name}") for name in _COUNTS})
)
_ADD_ROWS, _ADD_BLOCKS = insert(MetricPoint), insert(MetricBlock)
_TAKE_ROWS = (
    delete(MetricPoint)
    .where(MetricPoint.series_id.in_(bindparam("series_ids", expanding=True)))
    .returning(MetricPoint.series_id, MetricPoint.step, MetricPoint.value)
)
_BLOCKS = select(MetricBlock.series_id, MetricBlock.first_step, MetricBlock.points)
_TAILS = _BLOCKS.where(tuple_(MetricBlock.series_id, MetricBlock.first_step).in_(bindparam("tails", expanding=True)))
_REMOVE_BLOCK = delete(MetricBlock).where(
    MetricBlock.series_id == bindparam("key"), MetricBlock.first_step == bindparam("at")
)

SeriesKey = tuple[str, str]
"""Kind of row and id of metric."""


@dataclass
class _Series:
    id: int
    num_hot: int = 0
    num_folded: int = 0
    open_step: int = -1
    open_size: int = 0
    last_step: int = -1
    last_value: float | None = None
    new: dict[int, float] = field(default_factory=dict)
    """Points to add, by step."""
    cut_step: int | None = None
    """Step beyond which nothing is kept."""

    @property
    def first_change(self) -> int:
        """Smallest step that is touched."""
        return min(self.new) if self.cut_step is None else self.cut_step

    @property
    def needs_open_block(self) -> bool:
        """It has room, or the change lies in it."""
        has_room = self.open_size < BLOCK_SIZE or self.first_change <= self.last_step
        return has_room and self.first_change >= self.open_step >= 0

    @property
    def is_plain_append(self) -> bool:
        """All behind what is there, and too few to fold."""
        return self.num_hot + len(self.new) < FOLD_AT and self.first_change > self.last_step


def add_points(tx: Transaction, run_id: str, points: Mapping[SeriesKey, dict[int, float]]) -> None:
    """Add finite points by series and step; a step that is there already keeps its value."""
    known = _read_series(tx, run_id)
    missing = [{"run_id": run_id, "kind": kind, "name": name} for kind, name in points if (kind, name) not in known]
    if missing:
        tx.connection.execute(insert(MetricSeries), missing)
        known = _read_series(tx, run_id)
    changed = [known[key] for key in points]
    for key, new in points.items():
        known[key].new = new
    appends = [one for one in changed if one.is_plain_append]
    rows = [{"series_id": one.id, "step": step, "value": value} for one in appends for step, value in one.new.items()]
    if rows:
        tx.connection.execute(_ADD_ROWS, rows)
    for one in appends:
        one.num_hot += len(one.new)
        one.last_step = max(one.new)
        one.last_value = one.new[one.last_step]
    _fold(tx, [one for one in changed if one not in appends])
    _save_series(tx, changed)


def cut_beyond(tx: Transaction, run_id: str, step: int) -> None:
    """Remove all points of a run beyond a step: the attempt that starts there computes them again."""
    affected = [one for one in _read_series(tx, run_id).values() if one.last_step > step]
    for one in affected:
        one.cut_step = step
    _fold(tx, affected)
    _save_series(tx, affected)


def _read_series(tx: Transaction, run_id: str) -> dict[SeriesKey, _Series]:
    rows = tx.connection.execute(_SERIES_OF_RUN, {"run_id": run_id}).all()
    return {(kind, name): _Series(*rest) for kind, name, *rest in rows}


def _save_series(tx: Transaction, series: Iterable[_Series]) -> None:
    rows = [{"key": one.id, **{f"new_{name}": getattr(one, name) for name in _COUNTS}} for one in series]
    if rows:
        tx.connection.execute(_SAVE_SERIES, rows)


def _fold(tx: Transaction, series: list[_Series]) -> None:
    """Put the rows of these series, what is new and the blocks that it touches into blocks."""
    if not series:
        return
    blocks = _take_blocks(tx, series)
    rows = _take_rows(tx, [one.id for one in series if one.num_hot])
    new_blocks: list[dict[str, Any]] = []
    for one in series:
        points: dict[int, float] = {}
        for block in blocks[one.id]:
            old = unpack(block)
            points.update(zip(map(int, old.steps), old.values, strict=True))
        one.num_folded -= len(points)
        points |= rows[one.id]
        _lay_out(one, one.new | points, new_blocks)
    if new_blocks:
        tx.connection.execute(_ADD_BLOCKS, new_blocks)
    _mend_ends(tx, [one for one in series if one.open_step < 0 and one.num_folded > 0])


def _lay_out(one: _Series, merged: Mapping[int, float], blocks: list[dict[str, Any]]) -> None:
    """Cut a series' points into blocks."""
    steps = sorted(merged if one.cut_step is None else [step for step in merged if step <= one.cut_step])
    values = [merged[step] for step in steps]
    one.num_hot, one.open_step, one.open_size = 0, -1, 0
    one.num_folded += len(steps)
    one.last_step, one.last_value = (steps[-1], values[-1]) if steps else (-1, None)
    for first in range(0, len(steps), BLOCK_SIZE):
        points = make_points(steps[first : first + BLOCK_SIZE], values[first : first + BLOCK_SIZE])
        by_10, by_100, by_1000 = (copy.pack() for copy in coarser_copies(points))
        one.open_step, one.open_size = steps[first], len(points)
        place = {"series_id": one.id, "first_step": one.open_step, "last_step": int(points.steps[-1])}
        packed = {"points": points.pack(), "by_10": by_10, "by_100": by_100, "by_1000": by_1000}
        blocks.append({**place, "num_points": len(points), **packed})


def _mend_ends(tx: Transaction, series: list[_Series]) -> None:
    """Find the newest point of series whose newest blocks were cut off whole."""
    for one in series:
        of_series = select(MetricBlock.first_step, MetricBlock.points).where(MetricBlock.series_id == one.id)
        row = tx.connection.execute(of_series.order_by(MetricBlock.first_step.desc()).limit(1)).one()
        points = unpack(row.points)
        one.open_step, one.open_size = row.first_step, len(points)
        one.last_step, one.last_value = int(points.steps[-1]), points.values[-1]


def _take_blocks(tx: Transaction, series: list[_Series]) -> dict[int, list[bytes]]:
    """Remove the blocks from the one that holds each series' first change on; return their points."""
    rows: list[Row[int, int, bytes]] = []
    if tails := [(one.id, one.open_step) for one in series if one.needs_open_block]:
        rows += tx.connection.execute(_TAILS, {"tails": tails}).all()
    for one in series:
        if one.first_change < one.open_step:  # rare: a late row, or a resume far back
            of_series = _BLOCKS.where(MetricBlock.series_id == one.id, MetricBlock.first_step >= _start(tx, one))
            rows += tx.connection.execute(of_series.order_by(MetricBlock.first_step))
    taken: dict[int, list[bytes]] = defaultdict(list)
    for series_id, _, points in rows:
        taken[series_id].append(points)
    if rows:
        tx.connection.execute(_REMOVE_BLOCK, [{"key": row.series_id, "at": row.first_step} for row in rows])
    return taken


def _start(tx: Transaction, one: _Series) -> int:
    """Return the first step of the block that holds the first change, or of the first block."""
    before = (MetricBlock.series_id == one.id, MetricBlock.first_step <= one.first_change)
    newest = select(func.coalesce(func.max(MetricBlock.first_step), 0)).where(*before)
    return tx.connection.execute(newest).scalar_one()


def _take_rows(tx: Transaction, series_ids: list[int]) -> dict[int, dict[int, float]]:
    """Remove the rows of these series and return them."""
    taken: dict[int, dict[int, float]] = defaultdict(dict)
    if not series_ids:
        return taken
    for series_id, step, value in tx.connection.execute(_TAKE_ROWS, {"series_ids": series_ids}).all():
        taken[series_id][step] = value
    return taken
