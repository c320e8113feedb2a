"""`utp run compare`: what differs between the configs of runs, and their metrics side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Column, Table

from utp.entrypoints.console import stdout
from utp.entrypoints.run_clients import open_client
from utp.entrypoints.run_tables import shorten
from utp.errors import ConfigError
from utp.store.repositories.runs import RunDetail

NOT_COMPARED = frozenset({"run_name", "model_suffix"})
"""Fields that only name a run."""
LESS_IS_BETTER = ("loss", "ece", "_s")
"""How the ids of such metrics end."""
MIN_NAME_WIDTH = 12
LINE = 80


def compare(
    ctx: typer.Context,
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Two runs or more, as in `utp run show`.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show what differs between the configs of runs, and their metrics with the best marked by a star."""
    if len(runs) < 2:
        raise ConfigError((f"RUN: two or more are compared, got {runs[0]} alone; `utp run show` shows one",))
    client = open_client(ctx)
    details = [client.get(run) for run in runs]
    config = config_differences(details)
    metrics = {name: [_metrics(one).get(name) for one in details] for name in _metric_names(details)}
    if as_json:
        best = {name: best_index(name, values) for name, values in metrics.items()}
        names = [{"id": one.id, "name": one.name, "state": one.state} for one in details]
        typer.echo(json.dumps({"runs": names, "config": config, "metrics": metrics, "best": best}, indent=2))
        return
    _print(details, config, metrics)


def config_differences(details: Sequence[RunDetail]) -> dict[str, list[Any]]:
    """Return the fields that are not the same in all configs, with their values in the order of the runs."""
    fields = dict.fromkeys(name for one in details for name in one.config if name not in NOT_COMPARED)
    values = {name: [one.config.get(name) for one in details] for name in fields}
    return {name: row for name, row in values.items() if any(value != row[0] for value in row)}


def best_index(name: str, values: Sequence[float | None]) -> int | None:
    """Return which run has the best value of a metric; none where fewer than two have one, or all are equal."""
    known = [(value, index) for index, value in enumerate(values) if value is not None]
    if len({value for value, _ in known}) < 2:
        return None
    sign = -1 if name.endswith(LESS_IS_BETTER) else 1
    return max(known, key=lambda one: (sign * one[0], -one[1]))[1]


def _metrics(detail: RunDetail) -> Mapping[str, float]:
    found = {name: value for name, value in (detail.metrics or {}).items() if isinstance(value, int | float)}
    if not found and detail.best_metric is not None and detail.best_value is not None:
        return {detail.best_metric: detail.best_value}
    return found


def _metric_names(details: Sequence[RunDetail]) -> list[str]:
    return list(dict.fromkeys(name for one in details for name in _metrics(one)))


def _print(
    details: Sequence[RunDetail], config: Mapping[str, Sequence[Any]], metrics: Mapping[str, Sequence[float | None]]
) -> None:
    first = max([len(name) for name in (*config, *metrics)], default=0)
    width = max(MIN_NAME_WIDTH, (LINE - first) // len(details) - 2)
    columns = [Column(escape(shorten(one.name, width)), justify="right", overflow="fold") for one in details]
    table = Table(Column("", no_wrap=True), *columns, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, row in config.items():
        table.add_row(name, *(escape(json.dumps(value)) for value in row))
    if config and metrics:
        table.add_section()
    for name, values in metrics.items():
        best = best_index(name, values)
        shown = ["-" if value is None else f"{value:.4f}" for value in values]
        table.add_row(name, *(f"* {text}" if index == best else text for index, text in enumerate(shown)))
    stdout.print(table)
    if not config:
        stdout.print("the configs are the same")
