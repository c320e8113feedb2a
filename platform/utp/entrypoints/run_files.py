"""`utp run export`, `import` and `delete`: a run as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from utp.client.run_transfer import export_to, import_from
from utp.entrypoints.console import stderr, stdout
from utp.entrypoints.project_name import check_project_name
from utp.entrypoints.run_clients import open_store
from utp.entrypoints.run_tables import format_size
from utp.entrypoints.user_name import user_name

Run = Annotated[str, typer.Argument(metavar="RUN", help="Name, id, the beginning of either, or directory of a run.")]


def export(
    ctx: typer.Context,
    run: Run,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="To write; NAME.utp.zip without it.")] = None,
) -> None:
    """Write a whole run into one file: log, metrics, figures, its best and its last checkpoint."""
    target, content = export_to(open_store(ctx, "export"), run, file)
    stdout.print(
        f"{target}: {content.num_files} files, {format_size(content.size_bytes)} of {content.run}",
        soft_wrap=True, markup=False,
    )  # fmt: skip


def import_(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FILE|RUN_DIR", help="Of `utp run export`, or of `utp train`.")],
    project: Annotated[
        str, typer.Option(callback=check_project_name, help="Project that the run belongs to.")
    ] = "default",
) -> None:
    """Record a run that came from elsewhere, or that `utp train` made; then it looks like any other."""
    client = open_store(ctx, "import")
    run_id = import_from(client, source, project=project, owner=user_name())
    stdout.print(f"imported {client.get(run_id).name}", soft_wrap=True, markup=False)


def delete(
    ctx: typer.Context,
    run: Run,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Delete a run for good: its rows, its files and its checkpoints."""
    client = open_store(ctx, "delete")
    deletion = client.plan_deletion(run)
    stderr.print(
        f"{deletion.name}: {deletion.num_files} files, {deletion.num_checkpoints} checkpoints, "
        f"{deletion.num_points} points of curves; frees {format_size(deletion.size_bytes)} in",
        soft_wrap=True, markup=False,
    )  # fmt: skip
    for directory in deletion.directories:
        stderr.print(f"  {directory}", soft_wrap=True, markup=False)
    if not yes:
        typer.confirm("Delete all of this for good?", abort=True, err=True)
    client.delete(deletion.run_id)
    stdout.print(f"deleted {deletion.name}", soft_wrap=True, markup=False)
