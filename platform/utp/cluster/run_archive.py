"""A whole run as one file: its directory, chosen checkpoints and what the store knows of it.

A zip file, so that it opens anywhere: `run/...`, `checkpoints/...`, `store.json` and at its end `MANIFEST.json` with
the size and SHA-256 of each. What is packed already (weights, pictures, tables) is stored as it is.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utp.config.paths import RunPaths
from utp.core.checkpoint import CheckpointStore
from utp.core.checkpoint_choice import BEST, LAST, choose_checkpoint, has_best
from utp.core.durable import replacing
from utp.core.journal import LOCK, utc_now
from utp.logs.places import LOG_SUFFIX
from utp.logs.shortening import is_hole

MANIFEST_NAME = "MANIFEST.json"
STORE_NAME = "store.json"
RUN_FOLDER, CHECKPOINT_FOLDER = "run", "checkpoints"
FORMAT = "utp-run"
SCHEMA_VERSION = 1
_PACKED = frozenset({".safetensors", ".pt", ".png", ".parquet"})
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ArchiveContent:
    """What an archive holds."""

    run: str
    """Name of the run it was made of."""
    num_files: int
    size_bytes: int
    """Of the files, unpacked."""


def export_run(
    paths: RunPaths,
    file: Path,
    *,
    checkpoints: Sequence[str] | None = None,
    store_rows: Mapping[str, Any] | None = None,
) -> ArchiveContent:
    """Write a run into one file, which is there whole or not at all; needs memory for a piece of a file only.

    Args:
        paths: of the run.
        file: to write; replaced if it is there.
        checkpoints: names, `best` or `last`, () for a run without weights; None: the best and the last, if there.
        store_rows: the store's rows of the run by table, as JSON.

    Raises:
        ConfigError: there is no such checkpoint.
        CheckpointUnreadable: one does not verify.
    """
    names = _checkpoints_there(paths) if checkpoints is None else checkpoints
    chosen = [choose_checkpoint(paths, name).directory for name in names]
    derived = [paths.best_weights, paths.best_meta, paths.hf] if BEST in names else []
    with replacing(file) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        entries = [_add_file(archive, name, path) for name, path in _run_files(paths)]
        for root in dict.fromkeys([*chosen, *derived]):
            entries += [_add_file(archive, name, path) for name, path in _files(root, CHECKPOINT_FOLDER, root.parent)]
        if store_rows is not None:
            entries.append(_add_bytes(archive, STORE_NAME, _json(store_rows)))
        manifest = {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "run": paths.name,
            "exported_at": utc_now(),
            "files": entries,
        }
        _add_bytes(archive, MANIFEST_NAME, _json(manifest))
    size_bytes = sum(entry["size_bytes"] for entry in entries)
    return ArchiveContent(run=paths.name, num_files=len(entries), size_bytes=size_bytes)


def _checkpoints_there(paths: RunPaths) -> Sequence[str]:
    if not CheckpointStore(paths.checkpoint_dir, attempt=0).committed():
        return ()
    return (BEST, LAST) if has_best(paths) else (LAST,)


def _run_files(paths: RunPaths) -> Iterator[tuple[str, Path]]:
    return ((name, path) for name, path in _files(paths.run_dir, RUN_FOLDER, paths.run_dir) if path.name != LOCK)


def _files(root: Path, folder: str, base: Path) -> Iterator[tuple[str, Path]]:
    """Yield the regular files at or beneath `root` with their names in the archive; no links, nothing half-written."""
    candidates = sorted(root.rglob("*")) if root.is_dir() else [root]
    for path in candidates:
        relative = path.relative_to(base)
        is_temporary = any(part.startswith(".") for part in relative.parts)
        if path.is_file() and not path.is_symlink() and not is_temporary:
            yield f"{folder}/{relative.as_posix()}", path


def _add_file(archive: zipfile.ZipFile, name: str, path: Path) -> dict[str, Any]:
    info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
    info.compress_type = zipfile.ZIP_STORED if path.suffix in _PACKED else zipfile.ZIP_DEFLATED
    digest, left, size_bytes = hashlib.sha256(), info.file_size, 0  # of a log that grows meanwhile, what was there
    with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
        while piece := source.read(min(_PIECE_BYTES, left)):
            left -= len(piece)
            if path.suffix == LOG_SUFFIX and is_hole(piece):
                continue  # of a log that was shortened: its lines keep their numbers without it
            target.write(piece)
            digest.update(piece)
            size_bytes += len(piece)
    return {"path": name, "size_bytes": size_bytes, "sha256": digest.hexdigest()}


def _add_bytes(archive: zipfile.ZipFile, name: str, content: bytes) -> dict[str, Any]:
    archive.writestr(name, content)
    return {"path": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()
