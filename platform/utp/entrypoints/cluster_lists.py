"""`utp queue`, `utp agents` and `utp projects`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Column, Table

from utp.client.local_client import LocalClient
from utp.entrypoints.console import stderr, stdout
from utp.entrypoints.platform_note import note_if_down
from utp.entrypoints.project_name import check_project_name
from utp.errors import ConfigError
from utp.settings import get_settings
from utp.store.repositories.agents import AgentRow
from utp.store.states import RunState

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
        note_if_down(get_settings(), (RunState.QUEUED,))
    else:
        stderr.print("no run waits")


def agents(
    as_json: AsJson = False,
    with_gpus: Annotated[bool, typer.Option("--gpus", help="A line for each GPU: memory, use, temperature.")] = False,
) -> None:
    """List the machines and their GPUs."""
    rows = LocalClient(get_settings()).agents()
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    elif with_gpus:
        _print_gpus(rows)
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


def _print_gpus(rows: Sequence[AgentRow]) -> None:
    table = Table("machine", "GPU", "model", Column("memory", justify="right"), Column("use", justify="right"),
                  Column("temp", justify="right"), "state", box=SIMPLE_HEAD)  # fmt: skip
    for agent, gpu in ((one, gpu) for one in rows for gpu in one.gpus):
        used, total = (
            "-" if one is None else f"{one / GB:.0f}" for one in (gpu.memory_used_bytes, gpu.memory_total_bytes)
        )
        use = "-" if gpu.utilisation is None else f"{gpu.utilisation:.0f} %"
        heat = "-" if gpu.temperature_c is None else f"{gpu.temperature_c:.0f} C"
        state = f"quarantined: {gpu.quarantine_reason}" if gpu.is_quarantined else "logical" if gpu.is_logical else "ok"
        name, model = escape(agent.hostname), escape(gpu.model)
        table.add_row(name, str(gpu.index), model, f"{used}/{total} GB", use, heat, escape(state))
    if table.row_count:
        stdout.print(table)
    else:
        stderr.print("no machine of the cluster has a GPU")


projects = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@projects.callback()
def list_projects(context: typer.Context, as_json: AsJson = False) -> None:
    """List the projects; `create` adds one."""
    if context.invoked_subcommand is not None:
        return
    rows = LocalClient(get_settings()).projects()
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    elif rows:
        table = Table("project", Column("runs", justify="right"), Column("GPUs", justify="right"), "", box=SIMPLE_HEAD)
        for row in rows:
            limit = "-" if row.max_gpus is None else str(row.max_gpus)
            table.add_row(escape(row.name), str(sum(row.num_runs.values())), limit, escape(row.description))
        stdout.print(table)
    else:
        stderr.print("there are no projects yet; the first run makes one")


@projects.command("create")
def create_project(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", callback=check_project_name, help="Of the project; one that is there is changed."
        ),
    ],
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    max_gpus: Annotated[
        int | None, typer.Option(min=0, max=100_000, help="GPUs that its runs may hold at a time.")
    ] = None,
    is_unlimited: Annotated[bool, typer.Option("--no-max-gpus", help="Take that limit away.")] = False,
) -> None:
    """Add a project, or change what is given of it: its description, its limit of GPUs."""
    if is_unlimited and max_gpus is not None:
        raise ConfigError((f"--max-gpus: {max_gpus} and --no-max-gpus exclude each other; leave one of them out",))
    client = LocalClient(get_settings())
    client.set_project(name, description=description, max_gpus=max_gpus, is_unlimited=is_unlimited)
    stdout.print(f"project {name}", markup=False)
