"""Pages of a log file by byte offset, forwards and backwards; what a page costs is bounded, however long its lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from utp.logs.lines import MAX_LINE_BYTES, LineSplitter, RawLine
from utp.logs.shortening import end_of_dropped, is_hole, next_data

MAX_PAGE_BYTES = 256 << 10
MAX_SCAN_BYTES = 16 << 20
"""Bytes read for one page, when a line is very long or a search finds nothing."""
LINE_COST_BYTES = 64
"""What a line adds to its page besides its text, so that a page of empty lines is bounded too."""
_CHUNK_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line as it is shown."""

    start: int
    """Offset in the file of its first byte; names the line."""
    text: str
    elided_bytes: int = 0
    """Bytes of it that are not shown."""
    is_complete: bool = True
    """Whether its newline has come."""
    is_continuation: bool = False
    """Whether the line's beginning was on another page; of a progress bar, this takes its place."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines that follow each other, and where to go on."""

    lines: tuple[LogLine, ...]
    start: int
    """Offset for `read_page_before`, to go back from here."""
    end: int
    """Offset for `read_page`, to go on from here. A short line without its newline yet is given again."""
    size_bytes: int
    """Of the file when it was read; `end` below it means that there is more."""


def read_page(
    path: Path, offset: int, max_bytes: int = MAX_PAGE_BYTES, *, containing: str = "", keep_colours: bool = False
) -> LogPage:
    """Return the lines from a byte offset on.

    Args:
        path: the log; one that does not exist yet is empty.
        offset: where to begin; in the middle of a line, the rest of it is marked as a continuation.
        max_bytes: of text on the page; at least one line is given.
        containing: only lines that show this, as its UTF-8 bytes; case of ASCII letters ignored.
        keep_colours: leave ANSI colours in the text.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return LogPage((), 0, 0, 0)
    with file:
        size = file.seek(0, 2)
        start = end = min(max(0, offset), size)
        lines, wanted = list[LogLine](), containing.encode().lower()
        room = min(max_bytes, MAX_PAGE_BYTES)
        for raw in _lines(file, start, size, wanted, MAX_SCAN_BYTES):
            if wanted in raw.content.lower():
                line = _shown(raw, keep_colours)
                room -= len(line.text.encode()) + LINE_COST_BYTES
                if room < 0 and lines:
                    break
                lines.append(line)
            is_given_again = not raw.is_complete and raw.end == size and raw.end - raw.start <= MAX_LINE_BYTES
            end = raw.start if is_given_again else raw.end
    return LogPage(tuple(lines), start, end, size)


def read_page_before(
    path: Path,
    offset: int | None = None,
    max_bytes: int = MAX_PAGE_BYTES,
    *,
    containing: str = "",
    keep_colours: bool = False,
) -> LogPage:
    """Return the lines that end at a byte offset, or those at the end of the file; as `read_page`."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return LogPage((), 0, 0, 0)
    with file:
        size = file.seek(0, 2)
        stop = start = size if offset is None else min(max(0, offset), size)
        end, room = stop, min(max_bytes, MAX_PAGE_BYTES)
        lines, wanted = list[LogLine](), containing.encode().lower()
        while start > 0 and room > 0 and stop - start < MAX_SCAN_BYTES:
            window_end, start = start, _line_start(file, start - _CHUNK_BYTES, start)
            for raw in reversed(list(_lines(file, start, window_end, wanted))):
                if wanted not in raw.content.lower():
                    continue
                line = _shown(raw, keep_colours)
                room -= len(line.text.encode()) + LINE_COST_BYTES
                if room < 0 and lines:
                    start = raw.end
                    break
                lines.append(line)
                if offset is None and not raw.is_complete and raw.end - raw.start <= MAX_LINE_BYTES:
                    end = raw.start
    return LogPage(tuple(reversed(lines)), start, end, size)


def _lines(file: BinaryIO, start: int, end: int, wanted: bytes, max_read_bytes: int = sys.maxsize) -> Iterator[RawLine]:
    """Yield the lines of a range of the file, all that hold `wanted` among them; the last one may be unfinished.

    It ends early where so much was read. What was dropped from the log is passed by: it is the marker's line.
    """
    splitter = LineSplitter(start, is_continuation=start > 0 and _read(file, start - 1, 1) != b"\n")
    position, num_read = start, 0
    while position < end and num_read < max_read_bytes:
        data = _read(file, position, min(_CHUNK_BYTES, end - position, max_read_bytes - num_read))
        if is_hole(data) and (following := min(next_data(file.fileno(), position), end)) > position:
            splitter.skip(following - position)
            position = following
            continue
        position, num_read = position + len(data), num_read + len(data)
        for raw in splitter.feed(data) if wanted in data.lower() else splitter.feed_without_middle(data):
            dropped_to = min(end_of_dropped(file.fileno(), raw.start, raw.content), end)
            if dropped_to > raw.end:
                position = raw.end = dropped_to
                splitter = LineSplitter(position, is_continuation=_read(file, position - 1, 1) != b"\n")
                yield raw
                break
            yield raw
        if not data:
            break
    if (unfinished := splitter.unfinished()) is not None:
        yield unfinished


def _line_start(file: BinaryIO, wanted: int, before: int) -> int:
    """Return where the first line begins that starts at `wanted` or later, or the one that goes on from there.

    A line that is longer than all of that is followed back to its beginning, for up to `MAX_SCAN_BYTES`.
    """
    low, high = max(0, wanted), before - 1
    while low > 0 and before - low < MAX_SCAN_BYTES:
        newline = _read(file, low - 1, high - low + 1).find(b"\n")
        if newline >= 0:
            return low + newline
        low, high = max(0, low - _CHUNK_BYTES), low
    return low


def _shown(raw: RawLine, keep_colours: bool) -> LogLine:
    text = raw.text(keep_colours=keep_colours)
    return LogLine(raw.start, text, raw.elided_bytes, raw.is_complete, raw.is_continuation)


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)
