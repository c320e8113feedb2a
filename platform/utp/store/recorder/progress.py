"""What a run brings forth: rows of metrics, checkpoints, figures."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any

from sqlalchemy import Delete, bindparam, delete, func, insert, select, update

from utp.store.database import Transaction
from utp.store.errors import AttemptNotStarted, RunNotFound
from utp.store.ids import new_id
from utp.store.recorder.points import SeriesKey, add_points
from utp.store.recorder.writer import Writer, append_event
from utp.store.tables.checkpoint import Checkpoint
from utp.store.tables.dataset_version import DatasetVersion
from utp.store.tables.figure import Figure
from utp.store.tables.job import Job
from utp.store.tables.metric_series import MetricSeries
from utp.store.tables.run import Run

_NO_METRIC = frozenset({"kind", "step", "attempt"})
_STARTS = select(Job.attempt, Job.start_step).where(
    Job.run_id == bindparam("run_id"), Job.attempt >= bindparam("attempt")
)
TIME = "time"
"""Id of the series that says when each step was recorded, in seconds since 1970."""


class ProgressWriter(Writer):
    """Takes what attempts bring; every call may be repeated."""

    def record_rows(self, run_id: str, attempt: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take rows of `metrics.jsonl`, more than once if need be; those that a later attempt did again are void.

        Raises:
            AttemptNotStarted: `mark_running` has to come first, since it says which rows of others are void.
            RunNotFound: there is no such attempt.
        """

        def work(tx: Transaction) -> None:
            last_valid = _last_valid_step(tx, run_id, attempt)
            valid = [row for row in rows if row["step"] <= last_valid]
            news = _news(tx, run_id, valid)
            add_points(tx, run_id, _by_series(valid))
            for row in news:
                append_event(tx, run_id, attempt, str(row["kind"]), data=row)

        if rows:
            self._database.write(work)

    def record_checkpoint(
        self,
        run_id: str,
        attempt: int,
        *,
        name: str,
        step: int,
        epoch: int,
        size_bytes: int,
        is_best: bool,
        metric: str | None = None,
        value: float | None = None,
    ) -> None:
        """Record a committed checkpoint; a new best one takes the place of the last."""

        def work(tx: Transaction) -> None:
            if is_best:
                tx.connection.execute(update(Checkpoint).where(Checkpoint.run_id == run_id).values(is_best=False))
                best = {"best_metric": metric, "best_value": value, "best_epoch": epoch}
                tx.connection.execute(update(Run).where(Run.id == run_id).values(best))
            place = {"name": name, "step": step, "epoch": epoch, "size_bytes": size_bytes, "is_best": is_best}
            row = {
                "run_id": run_id,
                "attempt": attempt,
                **place,
                "metric": metric,
                "value": value,
                "created_at": tx.now,
            }
            gone = delete(Checkpoint).where(Checkpoint.run_id == run_id, Checkpoint.name == name)
            if _replace(tx, Checkpoint, gone, row):
                append_event(tx, run_id, attempt, "checkpoint", data={**place, "metric": metric, "value": value})

        self._database.write(work)

    def forget_checkpoints(self, run_id: str, kept: Sequence[str]) -> None:
        """Remove the rows of checkpoints that are not on disk any more; `kept` are those that are."""
        gone = delete(Checkpoint).where(Checkpoint.run_id == run_id, Checkpoint.name.not_in(list(kept)))
        self._database.write(lambda tx: tx.connection.execute(gone).close())

    def record_figure(self, run_id: str, attempt: int, *, name: str, path: str, step: int) -> None:
        """Record a figure, by its path within the run's directory; the newer takes the place of the older."""

        def work(tx: Transaction) -> None:
            row = {"run_id": run_id, "attempt": attempt, "name": name, "path": path, "step": step, "created_at": tx.now}
            gone = delete(Figure).where(Figure.run_id == run_id, Figure.name == name)
            if _replace(tx, Figure, gone, row):
                append_event(tx, run_id, attempt, "figure", data={"name": name, "path": path, "step": step})

        self._database.write(work)

    def record_dataset(self, run_id: str, *, fingerprint: str, summary: Mapping[str, Any]) -> None:
        """Point a run to the version of its dataset that it read."""

        def work(tx: Transaction) -> None:
            dataset_id = tx.connection.scalar(select(Run.dataset_id).where(Run.id == run_id))
            if dataset_id is None:
                raise RunNotFound(run_id)
            alike = (DatasetVersion.dataset_id == dataset_id, DatasetVersion.fingerprint == fingerprint)
            version_id = tx.connection.scalar(select(DatasetVersion.id).where(*alike))
            if version_id is None:
                version_id = new_id()
                row = {"id": version_id, "dataset_id": dataset_id, "fingerprint": fingerprint, "summary": dict(summary)}
                tx.connection.execute(insert(DatasetVersion).values(**row, created_at=tx.now))
            tx.connection.execute(update(Run).where(Run.id == run_id).values(dataset_version_id=version_id))

        self._database.write(work)


def _last_valid_step(tx: Transaction, run_id: str, attempt: int) -> float:
    """Return the step that the first later attempt which got to work started from; infinite without one."""
    rows = tx.connection.execute(_STARTS, {"run_id": run_id, "attempt": attempt}).all()
    starts: dict[int, int | None] = {row.attempt: row.start_step for row in rows}
    if attempt not in starts:
        raise RunNotFound(f"{run_id}, attempt {attempt}")
    if starts.pop(attempt) is None:
        raise AttemptNotStarted(run_id, attempt)
    return min((step for step in starts.values() if step is not None), default=math.inf)


def _news(tx: Transaction, run_id: str, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows of epochs and tests that were not there yet."""
    rare = [row for row in rows if row["kind"] != "train"]
    if not rare:
        return []
    newest = select(MetricSeries.kind, func.max(MetricSeries.last_step)).where(MetricSeries.run_id == run_id)
    known: dict[str, int] = {row[0]: row[1] for row in tx.connection.execute(newest.group_by(MetricSeries.kind))}
    return [row for row in rare if row["step"] > known.get(row["kind"], -1)]


def _by_series(rows: Sequence[Mapping[str, Any]]) -> dict[SeriesKey, dict[int, float]]:
    """Sort the finite numbers of rows by series and step; what is no number makes a gap."""
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        alike[row["kind"], *row].append(row)
    points: dict[SeriesKey, dict[int, float]] = defaultdict(dict)
    for (kind, *names), group in alike.items():
        steps = [row["step"] for row in group]
        for name in names:
            if name not in _NO_METRIC and (numbers := _numbers(name, steps, [row[name] for row in group])):
                points[kind, name].update(numbers)
    return points


def _numbers(name: str, steps: Sequence[int], values: Sequence[Any]) -> dict[int, float]:
    """Return the finite ones of a column by step."""
    if set(map(type, values)) == {float} and all(map(isfinite, values)):
        return dict(zip(steps, values, strict=True))
    numbers = zip(steps, (_to_number(name, value) for value in values), strict=True)
    return {step: number for step, number in numbers if number is not None and isfinite(number)}


def _to_number(name: str, value: Any) -> float | None:
    if name == TIME and isinstance(value, str):
        return datetime.fromisoformat(value).timestamp()
    return float(value) if isinstance(value, int | float) else None


def _replace(tx: Transaction, table: Any, gone: Delete, row: Mapping[str, Any]) -> bool:
    """Put a row in place of that with its key; whether there was none that is equal."""
    same = [getattr(table, name) == value for name, value in row.items() if name != "created_at"]
    if tx.connection.scalar(select(func.count()).select_from(table).where(*same)):
        return False
    tx.connection.execute(gone)
    tx.connection.execute(insert(table).values(**row))
    return True
