"""Lines of a log by their number, counted from 0: pages and search, bounded whatever the lines are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from utp.logs.line_facts import LEVEL_HINTS, LogLevel, level_of, written_at
from utp.logs.line_index import IndexedFile, LineIndex
from utp.logs.lines import LineSplitter, RawLine

MAX_PAGE_BYTES = 1 << 20
"""Of text on a page; at least one line is given."""
MAX_SCAN_BYTES = 16 << 20
"""Read for one line; of a longer one the beginning is shown."""
MAX_SEARCH_BYTES = 64 << 20
"""Looked through by one search."""
MAX_MATCHES = 10_000
"""Counted by one search."""
_CHUNK_BYTES = 64 << 10
_WINDOW_BYTES = 1 << 20


@dataclass(slots=True)  # not frozen: made in a fifth of the time
class NumberedLine:
    """One line as it is shown."""

    line: int
    text: str
    """Without control characters; colours stay as ANSI sequences."""
    at: datetime | None
    level: LogLevel | None


@dataclass(frozen=True, slots=True)
class NumberedPage:
    """Lines that follow each other."""

    start: int
    """Number of the first one; of the next one that comes, where there is none."""
    lines: tuple[NumberedLine, ...]
    num_lines: int
    """Of the file when it was read."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Matches:
    """What a search found."""

    lines: tuple[NumberedLine, ...]
    """The last ones, by number."""
    total: int
    """Lines that match, in what was looked through."""
    is_complete: bool
    """Whether all was looked through."""


def numbered(line: int, raw: RawLine) -> NumberedLine:
    """Return a line as it is shown."""
    text = raw.text(keep_colours=True)
    if raw.elided_bytes:
        text = f"{text} … {raw.elided_bytes} bytes more"
    return NumberedLine(line, text, written_at(text), level_of(text))


def read_numbered(
    index: LineIndex, start: int, limit: int, *, is_live: bool, max_bytes: int = MAX_PAGE_BYTES
) -> NumberedPage:
    """Return lines by number.

    Args:
        index: of the file; one that does not exist yet is empty.
        start: number of the first line; negative: counted from the end.
        limit: lines at most.
        is_live: the file grows, so a line whose newline has not come is left out: its end may still change.
        max_bytes: of text.
    """
    try:
        with index.opened() as file:
            num_lines = file.num_newlines if is_live else file.num_lines
            first = min(max(0, start if start >= 0 else num_lines + start), num_lines)
            lines = list(_read(file, first, min(limit, num_lines - first), max_bytes))
            return NumberedPage(first, tuple(lines), num_lines, file.size_bytes)
    except FileNotFoundError:
        return NumberedPage(0, (), 0, 0)


def search(
    index: LineIndex, containing: str, *, level: LogLevel | None = None, before: int | None = None, limit: int = 100
) -> Matches:
    """Find lines from the end of a file backwards.

    Args:
        index: of the file; one that does not exist yet is empty.
        containing: what the line shows; case of ASCII letters ignored.
        level: only lines of this level.
        before: only lines before this number.
        limit: lines to return; more are counted, up to `MAX_MATCHES`.
    """
    found, total = list[NumberedLine](), 0
    try:
        with index.opened() as file:
            end = file.size_bytes if before is None else file.offset_of(before)
            last = max(0, end - MAX_SEARCH_BYTES)
            while end > last and total < MAX_MATCHES:
                start = _window_start(file, max(last, end - _WINDOW_BYTES), end)
                matches = list(_matching(file, start, end, containing, level))
                total += len(matches)
                found[:0] = matches[max(0, len(matches) - (limit - len(found))) :] if len(found) < limit else ()
                end = start
            return Matches(tuple(found), total, end <= 0)
    except FileNotFoundError:
        return Matches((), 0, is_complete=True)


def _read(file: IndexedFile, first: int, limit: int, max_bytes: int) -> Iterator[NumberedLine]:
    start, end = file.offset_of(first), file.offset_of(first + limit)
    number = first
    while start < end and max_bytes > 0:
        for raw in _raw_lines(file, start, end):
            line = numbered(number, raw)
            if (max_bytes := max_bytes - len(line.text)) < 0 and number > first:
                return
            yield line
            number, start = number + 1, raw.end if raw.is_complete else file.offset_of(number + 1)


def _raw_lines(file: IndexedFile, start: int, end: int) -> Iterator[RawLine]:
    """Yield the lines of a range that begins with one; ends early behind one that is too long to be read whole."""
    splitter, line_start = LineSplitter(start), start
    for position in range(start, end, _CHUNK_BYTES):
        for raw in splitter.feed(file.read(position, min(end, position + _CHUNK_BYTES))):
            line_start = raw.end
            yield raw
        if position - line_start > MAX_SCAN_BYTES:
            break
    if (rest := splitter.unfinished()) is not None:
        yield rest


def _window_start(file: IndexedFile, wanted: int, end: int) -> int:
    """Return where the first line begins at `wanted` or later, or the one that all of the window is of."""
    number = file.line_at(wanted)
    start = file.offset_of(number)
    following = start if start == wanted else file.offset_of(number + 1)
    return following if following < end else start


def _matching(
    file: IndexedFile, start: int, end: int, containing: str, level: LogLevel | None
) -> Iterator[NumberedLine]:
    data = file.read(start, min(end, start + MAX_SCAN_BYTES))
    find = _finder(data, containing, level)
    number, counted_to, position = file.line_at(start), 0, find(0)
    while 0 <= position < len(data):
        line_start, line_end = data.rfind(b"\n", 0, position) + 1, data.find(b"\n", position) + 1 or len(data)
        number, counted_to = number + data.count(b"\n", counted_to, line_start), line_start
        raw = next(_raw_lines_of(data[line_start:line_end]))
        line = numbered(number, raw)
        if containing.encode().lower() in raw.content.lower() and level in (None, line.level):
            yield line
        position = find(line_end)


def _finder(data: bytes, containing: str, level: LogLevel | None) -> Callable[[int], int]:
    """Return what finds the next place, from one on, in a line that may be wanted; -1 where there is none."""
    if containing or level is None:
        folded, wanted = data.lower(), containing.encode().lower()
        return lambda start: folded.find(wanted, start)
    hint = LEVEL_HINTS[level]

    def find(start: int) -> int:
        found = hint.search(data, start)
        return found.start() if found else -1

    return find


def _raw_lines_of(line: bytes) -> Iterator[RawLine]:
    splitter = LineSplitter()
    yield from splitter.feed(line)
    if (rest := splitter.unfinished()) is not None:
        yield rest
