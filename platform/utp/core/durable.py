"""Files that are there whole or not at all, also after a crash or a power cut.

The few file-system calls on which a checkpoint's commit stands are here, so that a test can stop after each of them.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes_durably(path, f"{text}\n".encode())
