"""Runs that leave the platform as a file, and runs that come to it."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

from utp.client.local_client import LocalClient
from utp.cluster.archive_checks import ArchiveRefused
from utp.cluster.run_archive import ArchiveContent, export_run
from utp.cluster.run_import import import_run
from utp.cluster.run_unpacking import unpack_run
from utp.config.naming import open_run
from utp.config.paths import RunPaths
from utp.errors import ConfigError, UtpError
from utp.store.errors import RunNotFound, StoreError
from utp.store.recorder import Recorder
from utp.store.repositories.run_rows import read_rows
from utp.store.repositories.runs import RunRepository
from utp.store.states import LIVE

SUFFIX = ".utp.zip"


def export_to(client: LocalClient, run: str, file: Path | None) -> tuple[Path, ArchiveContent]:
    """Write a run that has ended into a file, `NAME.utp.zip` here without one; return where, and what.

    Raises:
        RunNotFound: there is no such run.
        ConfigError: it is alive, or the file's folder is not there.
    """
    detail = client.get(run)
    if detail.state in LIVE:
        raise ConfigError((f"run: {detail.name} is {detail.state}; export it once it has ended, or stop it first",))
    target = file or Path(f"{detail.name}{SUFFIX}")
    if target.is_dir():
        raise ConfigError((f"file: {target} is a folder; name a file, as {target / f'{detail.name}{SUFFIX}'}",))
    if not target.parent.is_dir():
        raise ConfigError((f"file: there is no folder {target.parent}; make it, or name another",))
    paths = RunPaths(Path(detail.run_dir), Path(detail.checkpoint_dir))
    rows = json.loads(json.dumps(read_rows(client.database, detail.id)))
    return target, export_run(paths, target, store_rows=rows)


def import_from(client: LocalClient, source: Path, *, project: str, owner: str) -> str:
    """Record a run from a file of `export_to`, or from the directory of one that `utp train` made; return its id.

    Raises:
        ConfigError: there is no such file or directory, or what it holds is no run that has ended.
        ArchiveRefused: the file is torn, altered or hostile; nothing of it is left then.
    """
    recorder = Recorder(client.database)
    if source.is_dir():
        return import_run(open_run(source, client.settings), recorder, client.settings, project=project, owner=owner)
    if not source.is_file():
        raise ConfigError((f"source: there is no {source}; name a file of `utp run export`, or a run's directory",))
    paths = unpack_run(source, client.settings).paths
    try:
        return import_run(paths, recorder, client.settings, project=project, owner=owner, is_copy=True)
    except BaseException as error:
        _undo(client, paths)
        if isinstance(error, UtpError | OSError) or not isinstance(error, Exception):
            raise
        reason = str(error).partition("\n")[0]  # a database adds its statement
        raise ArchiveRefused(str(source), f"what it holds makes no sense ({type(error).__name__}: {reason})") from error


def _undo(client: LocalClient, paths: RunPaths) -> None:
    """Remove a run that came out of an archive and could not be recorded whole."""
    with suppress(StoreError, RunNotFound):
        Recorder(client.database).delete_run(RunRepository(client.database).find(str(paths.run_dir)))
    for directory in (paths.run_dir, paths.checkpoint_dir):
        shutil.rmtree(directory, ignore_errors=True)
