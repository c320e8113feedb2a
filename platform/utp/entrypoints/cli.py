"""`utp`, the command line. A command's code is imported when it runs, so that help imports no large library."""

from __future__ import annotations

import errno
import importlib
import io
import sys
import traceback
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from utp.errors import FailureKind, UtpError


@dataclass(frozen=True)
class LazyCommand:
    """One command: its name, where its code is (`module:attribute`, a function or a `typer.Typer`), its help."""

    name: str
    target: str
    help: str

    def load(self) -> TyperCommand | TyperGroup:
        """Import the code of this command and return it as typer's."""
        module_name, _, attribute = self.target.partition(":")
        loaded = getattr(importlib.import_module(module_name), attribute)
        if isinstance(loaded, typer.Typer):
            return get_group(loaded)
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(self.name)(loaded)
        command: TyperCommand = get_command(single)  # type: ignore[assignment]  # one command makes no group
        return command


COMMANDS = (
    LazyCommand(
        "train",
        "utp.entrypoints.train_commands:train",
        "Train the runs that a config file declares, one after the other.",
    ),
    LazyCommand("resume", "utp.entrypoints.train_commands:resume", "Go on with a run from its newest checkpoint."),
    LazyCommand(
        "evaluate",
        "utp.entrypoints.evaluate_command:evaluate",
        "Compute all metrics of a run's checkpoint anew.",
    ),
    LazyCommand(
        "predict",
        "utp.entrypoints.predict_command:predict",
        "Say which class each image is of, with its probability.",
    ),
    LazyCommand(
        "runs",
        "utp.entrypoints.list_commands:runs",
        "List runs: how they ended, epoch, best metric and time.",
    ),
    LazyCommand(
        "models",
        "utp.entrypoints.list_commands:models",
        "List the builtin models, which train offline from scratch.",
    ),
    LazyCommand(
        "parts",
        "utp.entrypoints.list_commands:parts",
        "List the losses, optimizers and other parts a config can name.",
    ),
    LazyCommand("up", "utp.entrypoints.up_commands:up", "Start the platform on this machine: Ray, store, page."),
    LazyCommand(
        "login-link",
        "utp.entrypoints.login_command:login_link",
        "Print a link that lets a user into the dashboard once.",
    ),
    LazyCommand("down", "utp.entrypoints.down_command:down", "End what `utp up` started; all data stays."),
    LazyCommand("status", "utp.entrypoints.up_commands:status", "Say what of the platform is up."),
    LazyCommand("run", "utp.entrypoints.run_commands:app", "Queue runs on the cluster, and look after them."),
    LazyCommand("queue", "utp.entrypoints.cluster_lists:queue", "List the runs that wait, and why."),
    LazyCommand("agents", "utp.entrypoints.cluster_lists:agents", "List the machines and their GPUs."),
    LazyCommand("projects", "utp.entrypoints.cluster_lists:projects", "List the projects; `create` adds one."),
    LazyCommand("data", "utp.entrypoints.data_commands:app", "Look at, check and make datasets."),
    LazyCommand("doctor", "utp.entrypoints.doctor:doctor", "Say what is wrong with this machine and what to do."),
)
"""What `utp --help` lists, in this order."""

USER_MISTAKES = frozenset({FailureKind.INVALID_CONFIG, FailureKind.DATA_ERROR, FailureKind.USER_ERROR})
"""Failures that end with exit code 2, as a wrong option does; all others end with 1."""

_FREE_SPACE, _CHECK = "free some space, or name a folder on another disk", "check the storage"
_STORAGE_WAYS_OUT = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EIO: _CHECK,
    errno.EROFS: _CHECK,
    errno.ESTALE: _CHECK,
}
"""What to do about a disk that refuses, by the number of its error: no fault of utp, whose traceback tells nothing."""

TRAIN_EXTRA = frozenset(
    {
        "PIL",
        "matplotlib",
        "numpy",
        "pyarrow",
        "safetensors",
        "sklearn",
        "tensorboard",
        "torch",
        "torchvision",
        "transformers",
    }
)
"""Modules that come with `utp[train]`; a machine that only serves the platform has none of them."""


class RootGroup(TyperGroup):
    """The root command: puts a command's real code in place when it is called, and reports whatever it raises."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for command in COMMANDS:
            self.add_command(TyperCommand(command.name, help=command.help))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and remaining arguments; listing commands doesn't come by here, calling one does."""
        name, command, rest = super().resolve_command(ctx, args)
        for lazy in COMMANDS:
            if lazy.name == name:
                command = lazy.load()
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for; every failure of every command is reported here."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException, EOFError, BrokenPipeError):
            raise  # typer knows what to do with these
        except Exception as error:
            raise typer.Exit(report_failure(error, debug=ctx.params["debug"])) from error


app = typer.Typer(
    cls=RootGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich would double the time of --help, for boxes around it
)


def _print_versions(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"utp {version('utp')}")
        typer.echo(f"Python {'.'.join(map(str, sys.version_info[:3]))}")
        typer.echo(f"torch {_torch_version()}")
        raise typer.Exit


def _torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "is not installed"


@app.callback()
def utp(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the code an error comes from; UTP_DEBUG=1 does so too.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print versions and leave.", callback=_print_versions, is_eager=True)
    ] = False,
) -> None:
    """Unified Training Platform: trains and fine-tunes Hugging Face vision models."""


def report_failure(error: Exception, *, debug: bool) -> int:
    """Write what went wrong to stderr and return the exit code."""
    from utp.entrypoints.console import print_error  # noqa: PLC0415  # Rich, which --help does without

    if isinstance(error, UtpError):
        if debug or _is_debug_set():
            traceback.print_exception(error)
        print_error(str(error))
        return 2 if error.kind in USER_MISTAKES else 1
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in TRAIN_EXTRA:
        print_error(f"{error.name} is not installed, and this command needs it; install with: pip install 'utp[train]'")
        return 1
    if isinstance(error, OSError) and error.errno in _STORAGE_WAYS_OUT:
        if debug or _is_debug_set():
            traceback.print_exception(error)
        print_error(f"{error}; {_STORAGE_WAYS_OUT[error.errno]}")
        return 1
    traceback.print_exception(error)
    print_error(
        f"{type(error).__name__} was not expected here: a fault of utp, or of a plug-in named above. "
        "Please report it with these lines and the output of `utp doctor --json`"
    )
    return 1


def _is_debug_set() -> bool:
    from utp.settings import get_settings  # noqa: PLC0415  # pydantic, which --help does without

    return get_settings().debug


def main() -> None:
    """Run `utp` with this process's arguments."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr has it: names of files need not be UTF-8
    app(prog_name="utp")


if __name__ == "__main__":
    main()
