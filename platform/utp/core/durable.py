"""Files that are there whole or not at all, also after a crash or a power cut.

The few file-system calls on which a checkpoint's commit stands are here, so that a test can stop after each of them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def fsync_file(path: Path) -> None:
    """Make the content of a file durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_directory(path: Path) -> None:
    """Make the names in a directory durable. Network file systems that can't are left alone."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def rename_durably(source: Path, target: Path) -> None:
    """Rename within a file system and make the new name durable."""
    source.rename(target)
    fsync_directory(target.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is fsynced and takes `path`'s place, else it is removed."""
    temporary = path.with_name(f".{path.name}.tmp-{secrets.token_hex(4)}")
    try:
        yield temporary
        fsync_file(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)


def copy_durably(source: Path, target: Path) -> None:
    """Replace a file by a copy of another, whole or not at all; makes the folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def write_bytes_durably(path: Path, data: bytes) -> None:
    """Replace a file's content, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json_durably(path: Path, value: Any) -> None:
    """Replace a file by strict JSON (NaN and infinity raise `ValueError`), whole or not at all."""
    write_bytes_durably(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """Return strict JSON as it is written to files. Raises `ValueError` for NaN and infinity."""
    text = f"{json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)}\n"
    return text.encode(errors="backslashreplace")  # a name that is no UTF-8 becomes JSON's own escape for half a sign


@dataclass(frozen=True)
class WrittenFile:
    """A file as it was written."""

    name: str
    size_bytes: int
    sha256: str


def write_hashed(path: Path, pieces: Iterable[bytes | memoryview]) -> WrittenFile:
    """Write a new file durably and say what was written; fails where one of that name is there.

    Each piece is hashed and handed to the kernel from the same memory, and the file is not read again: that would show
    the kernel's copy, not the disk's. When `fsync` returns, the disk says that it holds those bytes; where it does not
    (an error in between, a disk that lies, a bit that flips later), the hash tells when the file is read.
    """
    digest, size_bytes = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        for piece in pieces:
            _write_all(descriptor, piece)
            digest.update(piece)
            size_bytes += len(piece)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return WrittenFile(path.name, size_bytes, digest.hexdigest())


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:  # one call takes 2 GiB at most, and less when it is interrupted
        rest = rest[os.write(descriptor, rest) :]
