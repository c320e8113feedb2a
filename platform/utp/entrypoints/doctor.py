"""`utp doctor`: says what is wrong with a machine, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from utp.entrypoints.checks.finding import Finding
from utp.entrypoints.checks.machine import (
    check_clock,
    check_cores,
    check_memory,
    check_open_files,
    check_shared_memory,
    check_text_encoding,
)
from utp.entrypoints.checks.native import check_native
from utp.entrypoints.checks.storage import (
    check_cache_folder,
    check_datasets_folder,
    check_models_folder,
    check_runs_folder,
)
from utp.entrypoints.checks.training import check_gpus, check_packages, check_python, check_torch
from utp.entrypoints.console import stderr, stdout

CHECKS: tuple[tuple[str, Callable[[], Finding]], ...] = (
    ("python", check_python),
    ("packages", check_packages),
    ("torch", check_torch),
    ("gpus", check_gpus),
    ("native code", check_native),
    ("cores", check_cores),
    ("memory", check_memory),
    ("shared memory", check_shared_memory),
    ("open files", check_open_files),
    ("text encoding", check_text_encoding),
    ("clock", check_clock),
    ("runs folder", check_runs_folder),
    ("cache folder", check_cache_folder),
    ("datasets folder", check_datasets_folder),
    ("models folder", check_models_folder),
)
"""Name and function of each check, in the order in which they are shown."""

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@dataclass(frozen=True)
class Result:
    """One line of the doctor's answer."""

    name: str
    finding: Finding


def examine(name: str, check: Callable[[], Finding]) -> Result:
    """Run one check; a check that raises has failed, and the others still run."""
    try:
        return Result(name, check())
    except Exception as error:  # noqa: BLE001  # whatever is wrong with the machine must become a line of the answer
        found = f"the check itself failed: {type(error).__name__}: {error}"
        return Result(name, Finding("fail", found, "report this line as a fault of utp"))


def as_json(results: Iterable[Result]) -> str:
    """Return the results as a JSON object: `status`, the worst of all, and `checks`."""
    rows = [{"name": result.name, **asdict(result.finding)} for result in results]
    return json.dumps({"status": worst_status(results), "checks": rows}, indent=2, ensure_ascii=False)


def worst_status(results: Iterable[Result]) -> str:
    """Return `fail`, `warn` or `ok`."""
    seen = {result.finding.status for result in results}
    return next(status for status in ("fail", "warn", "ok") if status in seen or status == "ok")


def as_table(results: Iterable[Result]) -> Table:
    """Return the results for people."""
    table = Table("check", "", "found", "what to do", box=None, pad_edge=False)
    for result in results:
        finding = result.finding
        status = Text(finding.status, style=STYLES[finding.status])
        table.add_row(result.name, status, Text(finding.found, overflow="fold"), Text(finding.todo, overflow="fold"))
    return table


def doctor(
    as_json_text: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is wrong with this machine and what to do."""
    with stderr.status("looking at this machine"):
        results = tuple(examine(name, check) for name, check in CHECKS)
    if as_json_text:
        typer.echo(as_json(results))
    else:
        stdout.print(as_table(results))
    raise typer.Exit(1 if worst_status(results) == "fail" else 0)
