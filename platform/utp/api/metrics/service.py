"""Curves of runs, as they are drawn."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from utp.api.errors import InvalidRequest
from utp.api.metrics.curve_names import (
    AXES,
    EPOCH,
    SeriesKey,
    group_of,
    metric_id,
    public_names,
    title_of,
    unit_of,
)
from utp.api.metrics.schemas import CurveList, CurveOut, MetricName, MetricNameList
from utp.api.runs.access import require_run, require_runs
from utp.api.security.permissions import Principal
from utp.api.services import Services
from utp.core.catalog import is_higher_better
from utp.store.metric_blocks import Points
from utp.store.recorder.progress import TIME
from utp.store.repositories.curves import MIN_POINTS, Curve, CurveRepository, LatestValue

MAX_CURVES = 1000
MAX_POINTS_IN_ALL = 500_000
"""Of one answer, about 30 MB; more curves get fewer points each."""
AXIS_POINTS = 5000
"""Of a series that tells epoch or time of steps; between them it is interpolated."""
AXIS_POINTS_IN_ALL = 50_000
"""Of all runs of one answer: half a chart's pixels for each of 100."""
EVERY_NAME = "*"

Axes = Mapping[tuple[str, str], Points]
"""By run and kind of row."""


class MetricService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal
        self._curves = CurveRepository(services.database)

    def read_curves(
        self,
        run_ids: Sequence[str],
        names: Collection[str],
        *,
        max_points: int,
        after_step: int | None = None,
        with_axes: bool = True,
    ) -> CurveList:
        """Return the curves of these names that the runs have.

        Raises:
            NotFound: one of the runs is not there, or not to be seen.
            InvalidRequest: more than `MAX_CURVES` are meant.
        """
        with self._services.database.read():
            return self._read_curves(run_ids, names, max_points, after_step, with_axes)

    def _read_curves(
        self, run_ids: Sequence[str], names: Collection[str], max_points: int, after_step: int | None, with_axes: bool
    ) -> CurveList:
        require_runs(self._services, self._principal, run_ids)
        wanted = self._find_series(run_ids, names)
        num_curves = sum(len(of_run) for of_run in wanted.values())
        if num_curves > MAX_CURVES:
            raise InvalidRequest("names", num_curves, f"mean {num_curves} curves", f"ask for at most {MAX_CURVES}")
        max_points = max(MIN_POINTS, min(max_points, MAX_POINTS_IN_ALL // max(1, num_curves)))
        first_step = None if after_step is None else after_step + 1
        ids = {name for of_run in wanted.values() for _, name in of_run}
        curves = self._curves.read_curves(run_ids, sorted(ids), max_points=max_points, first_step=first_step)
        chosen = [curve for curve in curves if (curve.kind, curve.name) in wanted[curve.run_id]]
        epochs, times = self._read_axes(run_ids) if with_axes else ({}, {})
        items = [
            _to_curve(curve, wanted[curve.run_id][curve.kind, curve.name], epochs, times, after_step)
            for curve in chosen
        ]
        return CurveList(items=sorted(items, key=lambda one: (run_ids.index(one.run_id), one.name)))

    def list_names(self, run_id: str) -> MetricNameList:
        """Return what a run has measured."""
        require_run(self._services, self._principal, run_id)
        latest = {(one.kind, one.name): one for one in self._curves.latest_values([run_id])[run_id]}
        names = public_names(latest)
        extremes = {
            (curve.kind, curve.name): curve.points
            for curve in self._curves.read_curves([run_id], [name for _, name in names], max_points=MIN_POINTS)
        }
        items = [_to_name(public, latest[key], extremes.get(key)) for key, public in names.items()]
        return MetricNameList(items=sorted(items, key=lambda one: one.name))

    def read_system_metrics(self, run_id: str, max_points: int) -> list[CurveOut]:
        """Return the curves of a run that say how well the machine was used."""
        latest = self._curves.latest_values([run_id])[run_id]
        names = public_names([(one.kind, one.name) for one in latest]).values()
        system = [name for name in names if group_of(metric_id(name)) == "system"]
        return self.read_curves([run_id], system, max_points=max_points).items if system else []

    def _find_series(self, run_ids: Sequence[str], names: Collection[str]) -> dict[str, dict[SeriesKey, str]]:
        found = {}
        for run_id, latest in self._curves.latest_values(run_ids).items():
            public = public_names([(one.kind, one.name) for one in latest])
            found[run_id] = {key: name for key, name in public.items() if EVERY_NAME in names or name in names}
        return found

    def _read_axes(self, run_ids: Sequence[str]) -> tuple[Axes, Axes]:
        """Return epochs and times of steps."""
        axes: dict[str, dict[tuple[str, str], Points]] = defaultdict(dict)
        max_points = min(AXIS_POINTS, AXIS_POINTS_IN_ALL // len(run_ids))
        for curve in self._curves.read_curves(run_ids, sorted(AXES), max_points=max_points):
            axes[curve.name][curve.run_id, curve.kind] = curve.points
        return axes[EPOCH], axes[TIME]


def _to_curve(curve: Curve, name: str, epochs: Axes, times: Axes, after_step: int | None) -> CurveOut:
    steps = list(map(int, curve.points.steps))
    place = (curve.run_id, curve.kind)
    starts = [points.values[0] for (run_id, _), points in times.items() if run_id == curve.run_id and len(points)]
    first_at = min(starts, default=0.0)
    return CurveOut.trusted(
        {
            "run_id": curve.run_id,
            "name": name,
            "steps": steps,
            "values": curve.points.values.tolist(),
            "epochs": [_round(value) for value in _at(epochs[place], steps)] if place in epochs else None,
            "times_s": [None if at is None else round(at - first_at, 3) for at in _at(times[place], steps)]
            if place in times
            else None,
            "is_downsampled": curve.is_thinned,
            "last_step": steps[-1] if steps else (-1 if after_step is None else after_step),
        }
    )


def _at(axis: Points, steps: Sequence[int]) -> list[float | None]:
    """Return the value of a rising series at each step, interpolated; none before its first point."""
    values: list[float | None] = []
    for step in steps:
        index = bisect_right(axis.steps, step) - 1
        if index < 0:
            values.append(None)
        elif index + 1 == len(axis) or axis.steps[index] == step:
            values.append(axis.values[index])
        else:
            share = (step - axis.steps[index]) / (axis.steps[index + 1] - axis.steps[index])
            values.append(axis.values[index] + share * (axis.values[index + 1] - axis.values[index]))
    return values


def _round(value: float | None) -> int | None:
    return None if value is None else int(value)


def _to_name(public: str, latest: LatestValue, extremes: Points | None) -> MetricName:
    is_up = is_higher_better(latest.name)
    best = None
    if is_up is not None and extremes is not None and len(extremes):
        best = max(extremes.values) if is_up else min(extremes.values)
    return MetricName(
        name=public,
        title=title_of(public),
        unit=unit_of(public),
        group=group_of(latest.name),
        is_higher_better=is_up,
        last=latest.value,
        best=best,
        last_step=latest.step,
    )
