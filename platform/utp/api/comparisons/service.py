"""Runs side by side: what differs in their configs, their metrics, means over seeds."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from utp.api.comparisons.run_statistics import best_index, spread_by_metric
from utp.api.comparisons.schemas import (
    ComparedRun,
    Comparison,
    ConfigDifference,
    MetricRow,
    MetricSpread,
    SeedGroup,
)
from utp.api.runs.access import require_runs
from utp.api.security.permissions import Principal
from utp.api.services import Services
from utp.core.catalog import is_higher_better
from utp.store.repositories.runs import RunDetail, RunRepository

NAMES_ONLY = frozenset({"run_name", "model_suffix"})
"""Fields that only name a run."""
SEED = "seed"


class ComparisonService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal

    def compare(self, run_ids: Sequence[str]) -> Comparison:
        """Return the runs side by side, in the order of their ids. Raises `RunNotFound`."""
        places = require_runs(self._services, self._principal, run_ids)
        repository = RunRepository(self._services.database)
        details = [repository.get(run_id) for run_id in run_ids]
        metrics = [_metrics(one) for one in details]
        return Comparison(
            runs=[_to_run(one, place.project_id) for one, place in zip(details, places, strict=True)],
            config_diff=config_differences([one.config for one in details]),
            metrics=_metric_rows(metrics),
            seed_groups=_seed_groups(details, metrics),
        )


def config_differences(configs: Sequence[Mapping[str, Any]]) -> list[ConfigDifference]:
    """Return the fields that are not the same in all, in the order of the config."""
    fields = dict.fromkeys(name for config in configs for name in config if name not in NAMES_ONLY)
    rows = {name: [config.get(name) for config in configs] for name in fields}
    return [
        ConfigDifference(field=name, values=values)
        for name, values in rows.items()
        if any(value != values[0] for value in values)
    ]


def _metric_rows(metrics: Sequence[Mapping[str, float]]) -> list[MetricRow]:
    rows = []
    for name in dict.fromkeys(name for run in metrics for name in run):
        values = [run.get(name) for run in metrics]
        best = best_index(values, is_higher_better=is_higher_better(name))
        rows.append(MetricRow(metric=name, values=values, best_index=best))
    return rows


def _seed_groups(details: Sequence[RunDetail], metrics: Sequence[Mapping[str, float]]) -> list[SeedGroup]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, one in enumerate(details):
        groups[_config_key(one.config)].append(index)
    return [
        SeedGroup(
            run_ids=[details[index].id for index in indices],
            config_key=key,
            metric={
                name: MetricSpread(mean=one.mean, sd=one.sd, n=one.n)
                for name, one in spread_by_metric([metrics[index] for index in indices]).items()
            },
        )
        for key, indices in groups.items()
        if len(indices) > 1
    ]


def _config_key(config: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in config.items() if name not in (*NAMES_ONLY, SEED)}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]


def _metrics(detail: RunDetail) -> Mapping[str, float]:
    """Return the final metrics, or the best value so far of a run without."""
    found = {name: value for name, value in (detail.metrics or {}).items() if isinstance(value, int | float)}
    if not found and detail.best_metric is not None and detail.best_value is not None:
        return {detail.best_metric: detail.best_value}
    return found


def _to_run(detail: RunDetail, project_id: str) -> ComparedRun:
    return ComparedRun(
        id=detail.id,
        project_id=project_id,
        name=detail.name,
        state=detail.state,
        owner=detail.owner,
        best_metric=detail.best_metric,
        best_value=detail.best_value,
        best_epoch=detail.best_epoch,
        run_time_s=detail.run_time_s,
    )
