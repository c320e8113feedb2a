"""`utp data`: make a sample dataset, check a dataset. What needs torch is imported inside the commands."""

# ruff: noqa: PLC0415  (help must not wait for torch)

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from utp.entrypoints.console import progress_bar, stdout

if TYPE_CHECKING:
    from utp.core.data.check import DatasetReport

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at, check and make datasets.")
sample_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Write a small real dataset that needs no download."
)
app.add_typer(sample_app, name="sample")

_LISTED = 50  # lines of each kind of problem on a terminal; --json has all


@sample_app.command("digits")
def sample_digits(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write; absent, empty, or these digits.")],
) -> None:
    """Write 1,797 real handwritten digits (8x8, ten classes) as train, val and test."""
    from utp.core.data.sample_digits import holds_digits, write_digits

    was_there = holds_digits(directory)
    counts = write_digits(directory)
    what = ", ".join(f"{count} {split}" for split, count in counts.items())
    verb = "already holds" if was_there else "now holds"
    stdout.print(f"{escape(str(directory))} {verb} {sum(counts.values())} handwritten digits: {what}", soft_wrap=True)


@app.command("check")
def check(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Dataset folder with train, val and maybe test.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole report as JSON.")] = False,
) -> None:
    """Decode every image and list corrupt files, copies across splits and classes, class counts and image sizes.

    Exit code 0: nothing to mend. 1: corrupt files or copies. 2: not a dataset.
    """
    from utp.core.data.check import check_dataset
    from utp.settings import get_settings

    with progress_bar("decoding") as on_progress:
        report = check_dataset(root, cache_dir=get_settings().cache_dir / "manifests", on_progress=on_progress)
    if as_json:
        typer.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _print_report(report)
    raise typer.Exit(1 if report.has_problems else 0)


@app.command("cache")
def cache(
    is_clearing: Annotated[
        bool, typer.Option("--clear", help="Delete them; a run that needs one makes it anew.")
    ] = False,
) -> None:
    """List the decoded pictures that `decoded_cache` keeps between runs, with their size, or delete them."""
    from utp.core.data.decoded_cache import list_caches
    from utp.settings import get_settings

    directory = get_settings().cache_dir / "decoded"
    files = list_caches(directory)
    num_bytes = sum(file.stat().st_size for file in files)
    for file in files:
        stdout.print(f"{file.stat().st_size:>15,} bytes  {escape(file.name)}", soft_wrap=True)
        if is_clearing:
            file.unlink(missing_ok=True)  # a run that has mapped it keeps it until its end
    verb = "deleted" if is_clearing else "held"
    stdout.print(f"{len(files)} caches, {num_bytes:,} bytes {verb} in {escape(str(directory))}", soft_wrap=True)


def _print_report(report: DatasetReport) -> None:
    stdout.print(_class_table(report))
    if report.width and report.height:
        for name, side in (("width", report.width), ("height", report.height)):
            stdout.print(f"{name}: {side.minimum} to {side.maximum} pixels, median {side.median}")
    stdout.print(f"fingerprint: {report.fingerprint}", soft_wrap=True)
    for warning in report.warnings:
        stdout.print(f"[yellow]warning:[/yellow] {escape(warning)}", soft_wrap=True)
    _print_problems("corrupt", [f"{file.path}: {file.reason}" for file in report.corrupt])
    _print_problems("same picture in several splits", [" = ".join(paths) for paths in report.leaks])
    _print_problems("same picture under several classes", [" = ".join(paths) for paths in report.conflicts])
    if not report.has_problems:
        stdout.print("[green]every image decodes, and no picture is in two splits or classes[/green]")


def _class_table(report: DatasetReport) -> Table:
    table = Table("class", *(Column(split, justify="right") for split in report.counts), title=escape(report.root))
    for name in report.classes:
        table.add_row(escape(name), *(str(counts[name]) for counts in report.counts.values()))
    table.add_section()
    table.add_row("all", *(str(sum(counts.values())) for counts in report.counts.values()))
    return table


def _print_problems(title: str, lines: list[str]) -> None:
    if not lines:
        return
    stdout.print(f"[red]{title}: {len(lines)}[/red]")
    for line in lines[:_LISTED]:
        stdout.print(f"  {escape(line)}", soft_wrap=True)
    if len(lines) > _LISTED:
        stdout.print(f"  ... and {len(lines) - _LISTED} more; --json lists all")
