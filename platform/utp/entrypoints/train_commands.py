"""`utp train` and `utp resume`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from utp.config.loading import LoadedConfig, apply_overrides, load_configs, read_config
from utp.config.naming import find_runs, open_run
from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.data.worker_server import start_worker_server
from utp.entrypoints.console import print_error, stderr, stdout
from utp.errors import UtpError
from utp.settings import get_settings, let_idle_threads_sleep

if TYPE_CHECKING:  # what trains imports torch; that has to wait until the arguments are known to be right
    from utp.entrypoints.local_run import RunOutcome

EXIT_FAILED = 1
EXIT_STOPPED = 130

Overrides = Annotated[
    list[str], typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the config; may be given often.")
]


def train(
    target: Annotated[str, typer.Argument(metavar="FILE[:NAME|:all]", help="Config file: Python, YAML or JSON.")],
    overrides: Overrides = [],  # noqa: B006 - typer wants the default itself
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the newest unfinished run of each config; start one if there is none."
        ),
    ] = False,
) -> None:
    """Train the runs that a config file declares, one after the other."""
    let_idle_threads_sleep()
    loaded = [_overridden(item, overrides) for item in load_configs(target)]
    failed = []
    for item in loaded:
        try:
            outcome = _train_one(item, is_resume=resume)
        except UtpError as error:
            if len(loaded) == 1:
                raise
            print_error(f"{item.name}: {error}")
            failed.append(item.name)
            continue
        if outcome.is_stopped:
            raise typer.Exit(EXIT_STOPPED)
    if failed:
        print_error(f"{len(failed)} of {len(loaded)} runs failed: {', '.join(failed)}")
        raise typer.Exit(EXIT_FAILED)


def resume(
    run: Annotated[Path, typer.Argument(help="Run directory, such as runs/digits/NAME.")],
    overrides: Overrides = [],  # noqa: B006 - typer wants the default itself
) -> None:
    """Go on with a run from its newest checkpoint."""
    let_idle_threads_sleep()
    paths = open_run(run, get_settings())
    if read_config(paths.config).num_workers:
        start_worker_server()
    outcome = _resume_one(paths, lambda saved: apply_overrides(saved, overrides))
    if outcome.is_stopped:
        raise typer.Exit(EXIT_STOPPED)


def _overridden(item: LoadedConfig, overrides: list[str]) -> LoadedConfig:
    return LoadedConfig(item.name, item.source, apply_overrides(item.config, overrides))


def _train_one(item: LoadedConfig, *, is_resume: bool) -> RunOutcome:
    if item.config.num_workers:
        start_worker_server()  # its imports of torch go on beside ours
    from utp.entrypoints.local_run import start_run  # noqa: PLC0415
    from utp.entrypoints.run_display import ConsoleDisplay  # noqa: PLC0415

    unfinished = _newest_unfinished(item.config) if is_resume else None
    if unfinished is not None:
        return _resume_one(unfinished, lambda saved: item.config)
    with ConsoleDisplay(stderr, stdout) as display:
        if is_resume:
            display.show_note("there is no unfinished run of this config, so a new one starts")
        return start_run(item.config, get_settings(), display)


def _resume_one(paths: RunPaths, change: Callable[[TrainConfig], TrainConfig]) -> RunOutcome:
    from utp.entrypoints.local_run import resume_run  # noqa: PLC0415
    from utp.entrypoints.run_display import ConsoleDisplay  # noqa: PLC0415

    with ConsoleDisplay(stderr, stdout) as display:
        return resume_run(paths, change, get_settings(), display)


def _newest_unfinished(config: TrainConfig) -> RunPaths | None:
    """Return the newest run of this config unless it has succeeded: then whoever asks wants another one."""
    from utp.core.journal import read_json  # noqa: PLC0415

    newest = next(iter(find_runs(config, get_settings())), None)
    return newest if newest and read_json(newest.result).get("outcome") != "succeeded" else None
