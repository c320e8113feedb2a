"""`utp queue`, `utp agents` and `utp projects`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Column, Table

from utp.client.local_client import LocalClient
from utp.entrypoints.console import stderr, stdout
from utp.settings import get_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
GB = 10**9


def queue(as_json: AsJson = False) -> None:
    """List the runs that wait, and why."""
    rows = LocalClient(get_settings()).queue()
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    elif rows:
        table = Table(Column("run", overflow="fold", min_width=20), "user", "why it waits", box=SIMPLE_HEAD)
        for row in rows:
            table.add_row(escape(row.name), escape(row.owner or "-"), escape(row.wait_reason or "was queued just now"))
        stdout.print(table)
    else:
        stderr.print("no run waits")


def agents(as_json: AsJson = False) -> None:
    """List the machines and their GPUs."""
    rows = LocalClient(get_settings()).agents()
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    elif rows:
        table = Table("machine", "state", Column("cores", justify="right"), Column("memory", justify="right"), "GPUs",
                      box=SIMPLE_HEAD)  # fmt: skip
        for row in rows:
            state = "away" if not row.is_alive else "drains" if row.is_draining else "ready"
            facts, num_cores = row.facts, f"{row.facts.get('cpus_total', 0):g}"
            gpus = ", ".join(f"{gpu.index}: {gpu.model}" for gpu in row.gpus) or "none"
            memory = f"{facts.get('memory_total_bytes', 0) / GB:.0f} GB"
            table.add_row(escape(row.hostname), state, num_cores, memory, escape(gpus))
        stdout.print(table)
    else:
        stderr.print("no machine is part of the cluster; start it with `utp up`")


def projects(as_json: AsJson = False) -> None:
    """List the projects."""
    rows = LocalClient(get_settings()).projects()
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    elif rows:
        table = Table("project", Column("runs", justify="right"), "", box=SIMPLE_HEAD)
        for row in rows:
            table.add_row(escape(row.name), str(sum(row.num_runs.values())), escape(row.description))
        stdout.print(table)
    else:
        stderr.print("there are no projects yet; the first run makes one")
