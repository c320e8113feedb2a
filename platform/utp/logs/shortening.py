"""Logs that outgrow their limit lose their middle, and keep their first and their newest lines.

What is dropped becomes a hole in the file, which takes no room on the disk: those who append go on as they are, every
byte that is kept stays at its offset, and so does every line at its number, since the hole begins with as many newlines
as it took. See fallocate(2), FALLOC_FL_PUNCH_HOLE: ext4, XFS, Btrfs, tmpfs and NFS 4.2 have it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FIRST_SHARE, LAST_SHARE = 1 / 8, 1 / 2
"""Of the limit: what is kept of a log's beginning, and, behind what was dropped, of its end."""
NEWLINES_SHARE = 1 / 16
"""Of the limit: the most newlines that stand for dropped lines. Where more lines go, later ones move up."""
MARKER_BYTES = 200
_MARKER_BEGINS = b"[utp dropped "
_MARKER = re.compile(rb"\[utp dropped (\d+) lines, (\d+) bytes: [^\n\0]*\]")
_PUNCH_HOLE = 0x03
"""FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE."""
_SEARCHED_BYTES = 64 << 10
_PIECE_BYTES = 1 << 20
_BLOCK_BYTES = 64 << 10
"""The largest blocks of file systems: of those that a hole takes in part the rest is written as zeros."""


@dataclass(frozen=True)
class _Dropped:
    """What was dropped so far: the bytes from `start` to `end`."""

    start: int
    end: int
    num_newlines: int


def shorten(path: Path, max_bytes: int, end: int | None = None) -> bool:
    """Drop the middle of a log that has more than `max_bytes`; return whether something was dropped.

    Done in steps of three eighths of the limit, so rarely; at its largest the log takes the limit and a sixteenth.

    Args:
        path: of the log, which others may be appending to.
        max_bytes: at least 8 KiB, so that the marker has room.
        end: nothing behind this offset is counted or dropped; None: the file's end.

    Raises:
        OSError: it can't be written, or its file system has no holes (`EOPNOTSUPP`).
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        end = size if end is None else min(end, size)
        first = int(max_bytes * FIRST_SHARE)
        if end <= max_bytes:
            return False
        dropped = _find_dropped(descriptor, first)
        if dropped.start + end - dropped.end <= max_bytes:
            return False
        _drop(descriptor, dropped, _line_start(descriptor, dropped.end, end - int(max_bytes * LAST_SHARE)), max_bytes)
        return True
    finally:
        os.close(descriptor)


def next_data(descriptor: int, offset: int) -> int:
    """Return where the next byte is that is in no hole, from `offset` on; the file's end where none is."""
    try:
        return _seek(descriptor, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return os.fstat(descriptor).st_size
        return offset  # this file system can't say


def end_of_dropped(descriptor: int, start: int, line: bytes) -> int:
    """Return where what was dropped at `start` ends, if that is what the line there says; else `start`."""
    return _read_marker(descriptor, start).end if line.startswith(_MARKER_BEGINS) else start


def first_hole(descriptor: int, size: int) -> tuple[int, int] | None:
    """Return where the first hole begins and ends, None where there is none before `size`: each shortening moves it."""
    start = _seek(descriptor, 0, os.SEEK_HOLE) if size else 0
    return (start, next_data(descriptor, start)) if start < size else None


def zeros_of_hole(descriptor: int, size: int) -> tuple[int, int] | None:
    """Return the bytes of a log that stand for what was dropped: those of the hole, and the zeros at its ends."""
    hole = first_hole(descriptor, size)
    if hole is None:
        return None
    first = max(0, hole[0] - _BLOCK_BYTES)
    before = os.pread(descriptor, hole[0] - first, first)
    behind = os.pread(descriptor, _BLOCK_BYTES, hole[1])
    return first + len(before.rstrip(b"\0")), hole[1] + len(behind) - len(behind.lstrip(b"\0"))


def is_hole(data: bytes) -> bool:
    """Whether bytes may be those of a hole: all of them are zero."""
    return data[:1] == b"\0" and not data.strip(b"\0")


def _find_dropped(descriptor: int, first: int) -> _Dropped:
    """Return what an earlier call dropped, by its marker, or the empty range where the first one is to begin."""
    near = os.pread(descriptor, min(first, _SEARCHED_BYTES), first - 1)
    is_within_line = _MARKER.match(near, 1) or b"\n" not in near
    start = first if is_within_line else first + near.index(b"\n")
    return _read_marker(descriptor, start)


def _read_marker(descriptor: int, start: int) -> _Dropped:
    marker = _MARKER.match(os.pread(descriptor, MARKER_BYTES, start))
    end = start + int(marker[2]) if marker else start
    if marker is None or _seek(descriptor, start, os.SEEK_HOLE) >= min(end, os.fstat(descriptor).st_size):
        return _Dropped(start, start, 0)  # without a hole it is but a line that looks like one of ours
    return _Dropped(start, end, int(marker[1]))


def _seek(descriptor: int, offset: int, whence: int) -> int:
    """As `lseek`, but leave the descriptor's own position, which a file object counts on, as it is."""
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        return os.lseek(descriptor, offset, whence)
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)


def _line_start(descriptor: int, lowest: int, wanted: int) -> int:
    """Return where the last line begins that does so at `wanted` or before; `wanted` where none is near."""
    start = max(lowest, wanted - _SEARCHED_BYTES)
    near = os.pread(descriptor, wanted - start, start)
    return start + near.rindex(b"\n") + 1 if b"\n" in near else wanted


def _drop(descriptor: int, before: _Dropped, end: int, max_bytes: int) -> None:
    """Drop the bytes from `before.end` to `end` too: a marker, newlines, the hole, and the last newline as it was."""
    num_newlines = before.num_newlines + sum(piece.count(b"\n") for piece in _pieces(descriptor, before.end, end))
    most = int(max_bytes * NEWLINES_SHARE)
    written = min(before.num_newlines - _ends_line(descriptor, before.end), most) if before.num_newlines else 0
    wanted = min(num_newlines - _ends_line(descriptor, end), most)
    num_bytes = end - before.start
    text = f"[utp dropped {num_newlines} lines, {num_bytes} bytes: a log has UTP_MAX_LOG_BYTES={max_bytes} at most]"
    first = before.start + MARKER_BYTES
    _punch(descriptor, first + written, end - _ends_line(descriptor, end))
    _write(descriptor, text.encode().ljust(MARKER_BYTES), before.start)
    for number in range(written, wanted, _PIECE_BYTES):
        _write(descriptor, b"\n" * min(_PIECE_BYTES, wanted - number), first + number)


def _ends_line(descriptor: int, end: int) -> bool:
    return os.pread(descriptor, 1, end - 1) == b"\n"


def _pieces(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    for offset in range(start, end, _PIECE_BYTES):
        yield os.pread(descriptor, min(_PIECE_BYTES, end - offset), offset)


def _punch(descriptor: int, start: int, end: int) -> None:
    fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if fallocate is None:
        raise OSError(errno.EOPNOTSUPP, "this system has no fallocate")
    if fallocate(descriptor, _PUNCH_HOLE, ctypes.c_int64(start), ctypes.c_int64(end - start)) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _write(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written
