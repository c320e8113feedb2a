"""Hashes the bytes of many files in threads, and remembers them so that unchanged files are not read again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from utp.core.data.threads import map_in_threads
from utp.core.durable import write_bytes_durably
from utp.errors import DatasetError

_log = logging.getLogger(__name__)

_SCHEMA = 1
_DIGEST_BYTES = 16
_COLUMNS = ("path", "size_bytes", "mtime_ns", "digest")
# A file changed twice within one tick of the file system's clock keeps its time: do not trust young ones (as git does).
_SETTLED_AFTER_NS = 2_000_000_000
_THREADS = min(8, (os.cpu_count() or 1) + 4)  # network file systems answer late; more threads keep them busy


@dataclass(frozen=True, slots=True)
class Content:
    """What a file held: the blake2b-128 of its bytes in hex, and its size and time when it was read."""

    digest: str
    size_bytes: int
    mtime_ns: int


def hash_files(
    root: Path,
    paths: Sequence[str],
    cache_dir: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Content]:
    """Return the content of each path (relative to `root`), read anew where size or time differ from the cache.

    Raises:
        DatasetError: a file is gone or can't be read.
    """
    cache_file = None if cache_dir is None else cache_dir / f"{_digest(os.fsencode(root))}.json"
    known = {} if cache_file is None else _read_cache(cache_file, root)
    contents: dict[str, Content] = {}
    results = map_in_threads(lambda path: _content(root, path, known.get(path)), paths, _THREADS)
    for done, (path, content) in enumerate(zip(paths, results, strict=True), start=1):
        contents[path] = content
        if on_progress is not None:
            on_progress(done, len(paths))
    if cache_file is not None and contents != known:
        _write_cache(cache_file, root, contents)
    return contents


def _content(root: Path, path: str, known: Content | None) -> Content:
    try:
        with (root / path).open("rb") as file:
            status = os.fstat(file.fileno())
            if known and (known.size_bytes, known.mtime_ns) == (status.st_size, status.st_mtime_ns):
                return known
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)).hexdigest()
    except OSError as error:
        raise DatasetError(str(root), f"{path} can't be read ({error.strerror}); restore or remove it") from error
    return Content(digest, status.st_size, status.st_mtime_ns)


def _read_cache(cache_file: Path, root: Path) -> dict[str, Content]:
    """Return what an earlier scan left; nothing where the file is absent, torn, or another root's."""
    try:
        values = json.loads(cache_file.read_text(encoding="utf-8"))
        if values["schema"] != _SCHEMA or values["root"] != str(root):
            return {}
        rows = zip(*(values[column] for column in _COLUMNS), strict=True)
        return {str(path): Content(str(digest), int(size), int(time_ns)) for path, size, time_ns, digest in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write_cache(cache_file: Path, root: Path, contents: dict[str, Content]) -> None:
    newest = time.time_ns() - _SETTLED_AFTER_NS
    settled = {path: content for path, content in contents.items() if content.mtime_ns < newest}
    values = {
        "schema": _SCHEMA,
        "root": str(root),
        "path": list(settled),
        "size_bytes": [content.size_bytes for content in settled.values()],
        "mtime_ns": [content.mtime_ns for content in settled.values()],
        "digest": [content.digest for content in settled.values()],
    }
    try:
        cache_file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes_durably(cache_file, json.dumps(values).encode())
    except OSError as error:  # the next scan is slower, nothing else
        _log.warning("hashes of %s are not kept for the next scan: %s", root, error)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
