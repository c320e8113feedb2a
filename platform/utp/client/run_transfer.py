"""Runs that leave the platform as a file, and runs that come to it."""

from __future__ import annotations

import json
from pathlib import Path

from utp.client.local_client import LocalClient
from utp.cluster.run_archive import ArchiveContent, export_run
from utp.cluster.run_import import import_run
from utp.cluster.run_unpacking import unpack_run
from utp.config.naming import open_run
from utp.config.paths import RunPaths
from utp.core.checkpoint import CheckpointStore
from utp.core.checkpoint_choice import BEST, LAST
from utp.errors import ConfigError
from utp.store.recorder import Recorder
from utp.store.repositories.run_rows import read_rows
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
    if not target.parent.is_dir():
        raise ConfigError((f"file: there is no folder {target.parent}; make it, or name another",))
    paths = RunPaths(Path(detail.run_dir), Path(detail.checkpoint_dir))
    chosen = (BEST, LAST) if CheckpointStore(paths.checkpoint_dir, attempt=0).committed() else ()
    rows = json.loads(json.dumps(read_rows(client.database, detail.id)))
    return target, export_run(paths, target, checkpoints=chosen, store_rows=rows)


def import_from(client: LocalClient, source: Path, *, project: str, owner: str) -> str:
    """Record a run from a file of `export_to`, or from the directory of one that `utp train` made; return its id.

    Raises:
        ConfigError: there is no such file or directory, or what it holds is no run that has ended.
        ArchiveRefused: the file is torn, altered or hostile.
    """
    if source.is_dir():
        paths = open_run(source, client.settings)
    elif source.is_file():
        paths = unpack_run(source, client.settings).paths
    else:
        raise ConfigError((f"source: there is no {source}; name a file of `utp run export`, or a run's directory",))
    return import_run(paths, Recorder(client.database), client.settings, project=project, owner=owner)
