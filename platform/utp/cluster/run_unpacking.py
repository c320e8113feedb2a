"""Takes a run out of an archive of `run_archive`, which may come from anybody: nothing in it is trusted.

Everything is checked before the first byte is written, unpacked beside its place, compared with the manifest, and only
then put there. Paths in its config are replaced by the importer's: an archive does not choose where it goes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from utp.cluster.archive_checks import MAX_BYTES, ArchiveRefused, check_entries, refuse_large_directory
from utp.cluster.run_archive import (
    CHECKPOINT_FOLDER,
    FORMAT,
    MANIFEST_NAME,
    RUN_FOLDER,
    SCHEMA_VERSION,
    STORE_NAME,
)
from utp.config.loading import dump_config, parse_config
from utp.config.naming import reserve_run
from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.durable import fsync_directory, write_json_durably
from utp.settings import Settings

MAX_JSON_BYTES = 64 << 20
"""Of `MANIFEST.json`, `store.json` and the config, alike."""
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class UnpackedRun:
    """A run that came out of an archive."""

    paths: RunPaths
    config: TrainConfig
    original_name: str
    """What it was called where it was exported."""
    store_rows: Mapping[str, Any]
    """What the store there knew, by table; empty if it was not in a store."""


def unpack_run(
    file: Path, settings: Settings, *, tb_root: str = "runs", ckpt_dir: str = "checkpoints", max_bytes: int = MAX_BYTES
) -> UnpackedRun:
    """Put an archive's run under the next free name of its config; whole, or not at all.

    Args:
        file: written by `export_run`.
        settings: mounts.
        tb_root: as `TrainConfig.tb_root`, in place of the archive's.
        ckpt_dir: as `TrainConfig.ckpt_dir`, likewise.
        max_bytes: that it may take unpacked.

    Raises:
        ArchiveRefused: it is torn, altered, too large, or names a place outside its folders.
        ConfigError: its config is not one that this UTP knows.
        PathRefused: a root leads outside its mount.
    """
    try:
        with file.open("rb") as raw:
            refuse_large_directory(raw, file)
            with zipfile.ZipFile(raw) as archive:
                entries = check_entries(archive, file, max_bytes)
                manifest = _read_manifest(archive, file, entries)
                values = _read_json(archive, file, f"{RUN_FOLDER}/config.json")
                config = replace(parse_config(values, str(file)), tb_root=tb_root, ckpt_dir=ckpt_dir)
                rows = _read_json(archive, file, STORE_NAME) if STORE_NAME in entries else {}
                paths = _put(archive, file, manifest["files"], config, settings)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, struct.error) as error:
        raise ArchiveRefused(str(file), f"it is no whole zip file ({error})") from error
    return UnpackedRun(paths=paths, config=config, original_name=str(manifest["run"]), store_rows=rows)


def _read_manifest(archive: zipfile.ZipFile, file: Path, entries: Mapping[str, zipfile.ZipInfo]) -> Mapping[str, Any]:
    manifest = _read_json(archive, file, MANIFEST_NAME)
    if manifest.get("format") != FORMAT or not isinstance(manifest.get("schema_version"), int):
        raise ArchiveRefused(str(file), "it is no archive of a run")
    if manifest["schema_version"] > SCHEMA_VERSION:
        raise ArchiveRefused(str(file), f"it has schema {manifest['schema_version']}, newer than this utp: update utp")
    try:
        sizes = {str(entry["path"]): int(entry["size_bytes"]) for entry in manifest["files"]}
        hashes = [bytes.fromhex(entry["sha256"]) for entry in manifest["files"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveRefused(str(file), f"its manifest is torn ({error})") from error
    actual = {name: info.file_size for name, info in entries.items() if name != MANIFEST_NAME}
    if sizes != actual or any(len(digest) != 32 for digest in hashes):
        raise ArchiveRefused(str(file), "its files are not those of its manifest")
    return {"run": manifest.get("run", ""), "files": manifest["files"]}


def _read_json(archive: zipfile.ZipFile, file: Path, name: str) -> dict[str, Any]:
    try:
        if archive.getinfo(name).file_size > MAX_JSON_BYTES:
            raise ArchiveRefused(str(file), f"{name} has over {MAX_JSON_BYTES} bytes")
        content = json.loads(archive.read(name))
    except KeyError:
        raise ArchiveRefused(str(file), f"it has no {name}") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, ArchiveRefused):
            raise
        raise ArchiveRefused(str(file), f"{name} is no JSON") from error
    if not isinstance(content, dict):
        raise ArchiveRefused(str(file), f"{name} is no JSON object")
    return content


def _put(
    archive: zipfile.ZipFile, file: Path, files: Sequence[Mapping[str, Any]], config: TrainConfig, settings: Settings
) -> RunPaths:
    """Unpack beside the reserved directories, then rename over them; on any failure they are gone again."""
    paths = reserve_run(config, settings)
    is_done = False
    try:
        with (
            TemporaryDirectory(dir=paths.run_dir.parent, prefix=".import-") as run,
            TemporaryDirectory(dir=paths.checkpoint_dir.parent, prefix=".import-") as checkpoints,
        ):
            folders = {RUN_FOLDER: Path(run) / "run", CHECKPOINT_FOLDER: Path(checkpoints) / "checkpoints"}
            for folder in folders.values():
                folder.mkdir()
            for entry in files:
                _unpack(archive, file, entry, folders)
            write_json_durably(folders[RUN_FOLDER] / "config.json", dump_config(config))
            folders[CHECKPOINT_FOLDER].rename(paths.checkpoint_dir)
            folders[RUN_FOLDER].rename(paths.run_dir)
            fsync_directory(paths.run_dir.parent)
            is_done = True
    finally:
        if not is_done:
            shutil.rmtree(paths.checkpoint_dir, ignore_errors=True)
            shutil.rmtree(paths.run_dir, ignore_errors=True)
    return paths


def _unpack(archive: zipfile.ZipFile, file: Path, entry: Mapping[str, Any], folders: Mapping[str, Path]) -> None:
    folder, _, relative = str(entry["path"]).partition("/")
    if folder not in folders:
        return  # store.json, read already
    target = folders[folder] / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with archive.open(entry["path"]) as source, target.open("xb") as sink:
        while piece := source.read(_PIECE_BYTES):
            sink.write(piece)
            digest.update(piece)
    if digest.hexdigest() != entry["sha256"]:
        raise ArchiveRefused(str(file), f"{entry['path']} is not what was exported")
