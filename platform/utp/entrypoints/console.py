"""The two consoles that every command writes to. Rich drops colours where there is no terminal, or NO_COLOR is set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

stdout = Console()
"""What a command answers."""

stderr = Console(stderr=True)
"""What goes wrong, and progress: output that can be piped stays clean."""


def print_error(message: str) -> None:
    """Write `error: MESSAGE` to stderr, unwrapped, so that a path in it can be copied."""
    stderr.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr where that is a terminal, and nothing elsewhere."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
