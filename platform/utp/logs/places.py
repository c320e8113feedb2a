"""Where the head reads the logs of a run: the workers' own files where it sees them, its copies where it does not."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from utp.config.paths import RunPaths

LOG_SUFFIX = ".log"
STREAM = re.compile(r"(?:rank[0-9]{1,5}|job)\.log", re.ASCII)
"""Names of log files; anything else in an attempt's folder is none."""
RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, order=True)
class LogPlace:
    """One log of one attempt."""

    attempt: int
    stream: str
    path: Path


def copies_folder(home: Path) -> Path:
    """Return the folder of the head's copies: `RUN_ID/ATTEMPT/STREAM` below it."""
    return home / "logs"


def find_log(home: Path, run_dir: str, run_id: str, attempt: int, stream: str) -> Path:
    """Return where a log is read; it may not exist yet.

    Raises:
        ValueError: there can be no such log.
    """
    if not RUN_ID.fullmatch(run_id) or attempt < 1 or not STREAM.fullmatch(stream):
        raise ValueError(f"no such log: run_id {run_id!r}, attempt {attempt}, stream {stream!r}")
    copy = copies_folder(home) / run_id / str(attempt) / stream
    return copy if copy.is_file() else RunPaths(Path(run_dir), Path(run_dir)).attempt(attempt).directory / stream


def list_logs(home: Path, run_dir: str, run_id: str) -> list[LogPlace]:
    """Return the logs there are, by attempt and name."""
    found: dict[tuple[int, str], LogPlace] = {}
    for folder in (RunPaths(Path(run_dir), Path(run_dir)).attempts, copies_folder(home) / run_id):  # a copy comes last
        for attempt, path in _logs_below(folder):
            found[attempt, path.name] = LogPlace(attempt, path.name, path)
    return sorted(found.values(), key=lambda place: (place.attempt, _rank(place.stream), place.stream))


def open_log(path: Path) -> BinaryIO:
    """Open a log for reading; a link or anything else that a run may have put in its place is not followed.

    Raises:
        FileNotFoundError: it does not exist, or is no ordinary file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileNotFoundError(errno.ENOENT, "a link is no log", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "not an ordinary file", str(path))
    return os.fdopen(descriptor, "rb")


def _logs_below(attempts: Path) -> Iterator[tuple[int, Path]]:
    for path in attempts.glob("*/*.log"):
        if path.parent.name.isascii() and path.parent.name.isdecimal() and STREAM.fullmatch(path.name):
            yield int(path.parent.name), path


def _rank(stream: str) -> int:
    """Ranks by number, the job's own log last."""
    return int(stream[4:-4]) if stream.startswith("rank") else 1 << 20
