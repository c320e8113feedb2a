"""`utp evaluate`: all metrics of a run's checkpoint, computed anew."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from utp.config.naming import open_run
from utp.config.paths import RunPaths
from utp.entrypoints.console import progress_bar, stderr, stdout
from utp.settings import get_settings

if TYPE_CHECKING:
    from utp.entrypoints.run_evaluation import RunEvaluation


class Split(StrEnum):
    """Splits that can be evaluated."""

    VAL = "val"
    TEST = "test"


class Views(StrEnum):
    """Values of `TrainConfig.test_time_augmentation`."""

    NONE = "none"
    HFLIP = "hflip"
    FIVE_CROP = "five_crop"


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run directory, such as runs/digits/NAME.")],
    split: Annotated[Split, typer.Option("--split", help="Images to evaluate on.")] = Split.TEST,
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="best, last, or a checkpoint's name.")] = "best",
    views: Annotated[
        Views | None,
        typer.Option("--tta", help="Test-time augmentation; by default the run's own on test, none on val."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compute all metrics of a run's checkpoint anew.

    Changes nothing in the run.
    """
    from utp.entrypoints.run_evaluation import evaluate_run  # noqa: PLC0415  # torch

    paths = open_run(run, get_settings())
    with progress_bar("scanning images") as on_scan:
        result = evaluate_run(
            paths,
            split=split.value,
            wanted=checkpoint,
            views=views.value if views else None,
            settings=get_settings(),
            on_scan=on_scan,
        )
    if not result.has_same_data:
        stderr.print("[yellow]note:[/] the dataset has changed since the run, so its own numbers are of other images")
    if as_json:
        typer.echo(json.dumps(_describe(paths, split, result), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        stdout.print(_table(paths, split, result))


def _describe(paths: RunPaths, split: Split, result: RunEvaluation) -> dict[str, Any]:
    checkpoint = result.checkpoint
    return {
        "run": paths.name,
        "checkpoint": checkpoint.name,
        "epoch": checkpoint.epoch,
        "step": checkpoint.step,
        "split": split.value,
        "test_time_augmentation": "none",
        **result.facts,
        "has_same_data": result.has_same_data,
        "metrics": dict(result.values),
    }


def _table(paths: RunPaths, split: Split, result: RunEvaluation) -> Table:
    augmented = "".join(f", {name} {value}" for name, value in result.facts.items())
    title = f"{paths.name}, {result.checkpoint.name}, on {split.value}{augmented}"
    table = Table("metric", Column("value", justify="right"), title=escape(title))
    for name, value in result.values.items():
        table.add_row(escape(name), "-" if value is None else f"{value:.4f}")
    return table
