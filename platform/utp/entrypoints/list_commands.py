"""`utp models`, `utp parts` and `utp runs`: what there is to choose from, and what was trained. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Column, Table

from utp.config.paths import local_path
from utp.core.catalog import REGISTRIES
from utp.core.models.entries import MODEL_PRESETS
from utp.core.registry import Entry
from utp.core.run_list import RunSummary, list_runs
from utp.entrypoints.console import stderr, stdout
from utp.errors import ConfigError, UnknownName
from utp.settings import get_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def models(as_json: AsJson = False) -> None:
    """List the builtin models, which train offline from scratch."""
    entries = [MODEL_PRESETS.get(name) for name in MODEL_PRESETS.names()]
    if as_json:
        rows = [{"model_flavour": f"builtin/{entry.name}", **entry.traits, "doc": entry.doc} for entry in entries]
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("model_flavour", Column("parameters", justify="right"), Column("pixels", justify="right"), "")
    for entry in entries:
        size = str(entry.traits["image_size"])
        table.add_row(f"builtin/{entry.name}", f"{entry.traits['num_parameters']:,}", size, escape(entry.doc))
    stdout.print(table)
    stdout.print("Any Hub id of an image classifier and any local model folder can be trained as well.")


def parts(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help="One kind, such as loss; all without it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the losses, optimizers and other parts a config can name."""
    if kind is not None and kind not in REGISTRIES:
        raise ConfigError((str(UnknownName("kind of part", kind, tuple(REGISTRIES))),))
    kinds = [kind] if kind else list(REGISTRIES)
    listed = {one: [REGISTRIES[one].get(name) for name in REGISTRIES[one].names()] for one in kinds}
    if as_json:
        content = {one: [_describe_part(entry) for entry in entries] for one, entries in listed.items()}
        typer.echo(json.dumps(content, indent=2))
        return
    for one, entries in listed.items():
        table = Table(one, "", "options and their defaults")
        for entry in entries:
            options = ", ".join(
                f"{name} {json.dumps(option.get('default'))}" for name, option in _options(entry).items()
            )
            table.add_row(escape(entry.name), escape(entry.doc), escape(options))
        stdout.print(table)


def runs(
    root: Annotated[
        Path | None,
        typer.Argument(metavar="[ROOT]", help="Folder of runs; without it `runs`, in SHARED_LOGS_DIR if set."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List runs: how they ended, epoch, best metric and time."""
    folder = local_path(str(root), "root") if root else (get_settings().shared_logs_dir or Path.cwd()) / "runs"
    if not folder.is_dir():
        raise ConfigError((f"root: there is no folder {folder}; name the folder that tb_root names in your configs",))
    summaries = list_runs(folder)
    if as_json:
        typer.echo(json.dumps([asdict(summary) for summary in summaries], indent=2))
    elif summaries:
        stdout.print(_run_table(folder, summaries))
    else:
        stderr.print(f"there are no runs in {escape(str(folder))}", soft_wrap=True)


def _describe_part(entry: Entry) -> dict[str, Any]:
    return {"name": entry.name, "doc": entry.doc, "traits": dict(entry.traits), "options": _options(entry)}


def _options(entry: Entry) -> dict[str, Any]:
    """Return the JSON schema of each option: type, bounds, default, description."""
    if entry.options is None:
        return {}
    schema: dict[str, Any] = TypeAdapter(entry.options).json_schema().get("properties", {})
    return schema


def _run_table(folder: Path, summaries: list[RunSummary]) -> Table:
    table = Table(
        Column("run", overflow="fold", min_width=20),  # a name that is cut off can't be copied
        "outcome",
        Column("epoch", justify="right"),
        "best",
        Column("time", justify="right"),
        "started",
        box=SIMPLE_HEAD,
    )
    for run in summaries:
        best = f"{run.best_metric} {run.best_value:.4f} (epoch {run.best_epoch})" if run.best_value is not None else "-"
        epoch = f"{run.epoch}/{run.epochs}"
        table.add_row(
            escape(str(Path(run.directory).relative_to(folder))), run.outcome, epoch, escape(best),
            _duration(run.duration_s), run.started_at[:16].replace("T", " "),
        )  # fmt: skip
    return table


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
