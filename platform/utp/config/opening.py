"""Opens files beneath a folder such that no symlink, swapped in at any moment, leads outside it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from utp.config.paths import real_path
from utp.errors import PathRefused


def open_beneath(folder: Path, path: Path, field: str) -> BinaryIO:
    """Open a regular file for reading; symlinks are followed where the file they end at lies beneath `folder`.

    What counts is the file that was opened, asked of the kernel by its descriptor: a path that is checked first and
    opened then can be swapped in between (CWE-367).

    Raises:
        PathRefused: the file lies outside `folder`, or is no regular file.
        FileNotFoundError: there is none; other `OSError` where it can't be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not hold us up
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PathRefused(field, str(path), "it is no regular file; copy the file there")
        opened = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not opened.is_relative_to(real_path(folder)):
            raise PathRefused(field, str(path), f"a symlink on the way leads outside {folder}; copy the file there")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
