"""The two consoles that every command writes to. Rich drops colours where there is no terminal, or NO_COLOR is set."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

stdout = Console()
"""What a command answers."""

stderr = Console(stderr=True)
"""What goes wrong, and progress: output that can be piped stays clean."""


def print_error(message: str) -> None:
    """Write `error: MESSAGE` to stderr, unwrapped, so that a path in it can be copied."""
    stderr.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
