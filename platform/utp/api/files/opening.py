"""Opens files beneath a folder that the server owns, for reading; no name and no symlink leads out of it.

The way down is walked one folder at a time by descriptors with `O_NOFOLLOW`, so nothing can be swapped after the check.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from utp.api.errors import FileRefused
from utp.config.paths import real_path
from utp.store.errors import NotFound

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""Non-blocking: opening a FIFO that somebody put there must not wait for a writer."""


def open_beneath(root: Path, relative: str, *, may_be_link: bool = False) -> BinaryIO:
    """Open an ordinary file beneath `root`, which itself may be reached by symlinks.

    Args:
        root: a folder that the server chose.
        relative: path within it, with `/`.
        may_be_link: take symlinks on the way as long as they stay beneath `root`, as datasets have them.

    Raises:
        FileRefused: it is malformed, leads outside, is a symlink or no ordinary file.
        NotFound: there is none.
    """
    parts = _split(relative)
    root = real_path(root)
    if may_be_link:
        target = real_path(root.joinpath(*parts))
        if not target.is_relative_to(root) or target == root:
            raise FileRefused(relative)
        parts = target.relative_to(root).parts
    try:
        descriptor = _walk(root, parts)
    except FileNotFoundError as error:
        raise NotFound("file", relative[:200]) from error
    except (OSError, ValueError) as error:  # a link, a file in place of a folder, a name too long or half a character
        raise FileRefused(relative) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRefused(relative)
    return os.fdopen(descriptor, "rb")


def read_beneath(root: Path, relative: str, max_bytes: int, *, may_be_link: bool = False) -> bytes:
    """Return a file's content, opened as by `open_beneath`. Raises `FileRefused` for a larger one too."""
    with open_beneath(root, relative, may_be_link=may_be_link) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise FileRefused(relative)
    return content


def _split(relative: str) -> Sequence[str]:
    parts = relative.split("/")
    if "\0" in relative or any(part in ("", ".", "..") for part in parts):
        raise FileRefused(relative)
    return parts


def _walk(root: Path, parts: Sequence[str]) -> int:
    """Return a descriptor of the file. Raises `OSError`."""
    folder = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            below = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(parts[-1], _FILE, dir_fd=folder)
    finally:
        os.close(folder)
