"""`utp run`: queue runs on the cluster, and look after them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, NoReturn

import typer

from utp.client.run_client import RunClient
from utp.config.loading import apply_overrides, load_configs
from utp.entrypoints.console import stderr, stdout
from utp.entrypoints.platform_note import note_if_down
from utp.entrypoints.project_name import check_project_name
from utp.entrypoints.request_options import REQUEST_FIELDS, build_request
from utp.entrypoints.run_clients import choose_server, open_client, page_of
from utp.entrypoints.run_comparison import compare
from utp.entrypoints.run_files import delete, export, import_
from utp.entrypoints.run_tables import print_detail, run_table
from utp.entrypoints.user_name import user_name
from utp.errors import ConfigError
from utp.settings import get_settings
from utp.store.states import RunState, Wish

EXIT_OF_STATE = {RunState.SUCCEEDED: 0, RunState.STOPPED: 130, RunState.PAUSED: 130}
EXIT_FAILED = 1

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.callback()(choose_server)

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="Name, id, the beginning of either, or directory of a run.")]
Overrides = Annotated[
    list[str], typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the config; may be given often.")
]


@app.command()
def submit(  # noqa: PLR0917  these are options
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="FILE[:NAME|:all]", help="Config file: Python, YAML or JSON.")],
    overrides: Overrides = [],  # noqa: B006 - typer wants the default itself
    workers: Annotated[int, typer.Option(help="Worker processes that train one model together.")] = 1,
    gpus_per_worker: Annotated[int | None, typer.Option(help="GPUs of each worker.")] = None,
    priority: Annotated[int, typer.Option(help="Runs of higher priority start first.")] = 0,
    fields: Annotated[
        list[str],
        typer.Option(
            "--request",
            metavar="FIELD=VALUE",
            help="What else it asks for; may be given often: " + ", ".join(REQUEST_FIELDS) + ".",
        ),
    ] = [],  # noqa: B006
    project: Annotated[
        str, typer.Option(callback=check_project_name, help="Project that the run belongs to.")
    ] = "default",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show the log until the run has ended.")] = False,
) -> None:
    """Queue the runs that a config file declares."""
    loaded = load_configs(target)
    configs = [apply_overrides(item.config, overrides) for item in loaded]
    if follow and len(configs) > 1:
        raise ConfigError((f"--follow: follows one run, and {target} declares {len(configs)}; name one of them",))
    request = build_request(fields, num_workers=workers, gpus_per_worker=gpus_per_worker, priority=priority)
    client, page = open_client(ctx), page_of(ctx)
    for config in configs:
        queued = client.submit(config, request, project=project, owner=user_name())
        stdout.print(f"queued {queued.name}", soft_wrap=True, markup=False)
        if page is not None:
            project_id = client.get(queued.id).project_id
            stdout.print(f"its page: {page}/projects/{project_id}/runs/{queued.id}", soft_wrap=True, markup=False)
        if follow:
            _follow(client, queued.id)


@app.command("list")
def list_runs(
    ctx: typer.Context,
    project: Annotated[str | None, typer.Option(help="Only runs of this project.")] = None,
    state: Annotated[list[RunState], typer.Option(help="Only runs in this state; may be given often.")] = [],  # noqa: B006
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""
    rows = open_client(ctx).list_runs(project=project, states=state or None, limit=limit)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    elif rows:
        stdout.print(run_table(rows))
        if ctx.obj is None:
            note_if_down(get_settings(), (row.state for row in rows))
    elif project or state:
        stderr.print("no run is like that; `utp run list` lists all", soft_wrap=True)
    else:
        stderr.print("there are no runs yet; queue one with `utp run submit FILE`", soft_wrap=True)


@app.command()
def show(ctx: typer.Context, run: Run, as_json: AsJson = False) -> None:
    """Show one run: where it stands, its attempts, its files."""
    detail = open_client(ctx).get(run)
    if as_json:
        typer.echo(json.dumps(asdict(detail), indent=2))
    else:
        print_detail(detail)
        if ctx.obj is None:
            note_if_down(get_settings(), (detail.state,))


@app.command()
def logs(  # noqa: PLR0917  these are options
    ctx: typer.Context,
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the run has ended.")] = False,
    attempt: Annotated[int | None, typer.Option(min=1, help="Only this attempt.")] = None,
    rank: Annotated[int | None, typer.Option(min=0, help="Worker whose log it is; 0 without it.")] = None,
    tail: Annotated[int | None, typer.Option(min=1, help="Only so many lines, the last.")] = None,
) -> None:
    """Print the log of a run; following, the exit code is the run's: 0 succeeded, 130 stopped or paused, 1 failed."""
    client = open_client(ctx)
    is_part = any(option is not None for option in (attempt, rank, tail))
    if follow and is_part:
        raise ConfigError(("--follow: goes through all attempts of rank 0; leave out --attempt, --rank and --tail",))
    if follow:
        _follow(client, client.get(run).id)
    elif is_part:
        lines: Iterable[str] = client.last_log_lines(run, attempt=attempt, rank=rank or 0, num_lines=tail)
    else:
        lines = client.log_lines(run, is_followed=False)
    for line in lines:
        typer.echo(line)


@app.command()
def stop(ctx: typer.Context, run: Run) -> None:
    """Have a run save and stop."""
    _wish(ctx, run, Wish.STOP)


@app.command()
def pause(ctx: typer.Context, run: Run) -> None:
    """Have a run save and give its machines back; `utp run resume` goes on."""
    _wish(ctx, run, Wish.PAUSE)


@app.command()
def resume(ctx: typer.Context, run: Run) -> None:
    """Queue a paused, stopped or failed run again; it goes on from its newest checkpoint."""
    typer.echo(f"{run} is {open_client(ctx).resume(run)}")


@app.command()
def retry(ctx: typer.Context, run: Run) -> None:
    """Queue a failed or stopped run again."""
    typer.echo(f"{run} is {open_client(ctx).retry(run)}")


app.command("compare")(compare)
app.command("export")(export)
app.command("import")(import_)
app.command("delete")(delete)


def _wish(ctx: typer.Context, run: str, wish: Wish) -> None:
    typer.echo(f"{run} is {open_client(ctx).wish(run, wish, by=user_name())}")


def _follow(client: RunClient, run_id: str) -> NoReturn:
    for line in client.log_lines(run_id, is_followed=True):
        typer.echo(line)
    detail = client.get(run_id)
    stderr.print(f"{detail.name}: {detail.state}{f': {detail.message}' if detail.message else ''}", soft_wrap=True)
    raise typer.Exit(EXIT_OF_STATE.get(detail.state, EXIT_FAILED))
