"""From the bytes of a log to lines that are safe to show, in bounded memory whatever the bytes are.

A line ends at `\\n`. A carriage return starts it over, as a terminal shows a progress bar. Broken UTF-8 is replaced,
control characters are written out, a long line is cut and says by how much.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_LINE_BYTES = 16 << 10
"""Of a longer line the first so many bytes are kept; also the most characters of a line's text."""

_COLOUR = r"\x1b\[[0-9;:]*m"
_SEQUENCE = (
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves (ECMA-48)
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|\x1b[ -/]*[0-~]"  # the rest
)
_ALL_SEQUENCES = re.compile(_SEQUENCE)
_ALL_BUT_COLOURS = re.compile(f"(?!{_COLOUR})(?:{_SEQUENCE})")

_CONTROL = [*range(0x20), *range(0x7F, 0xA0)]
_BIDIRECTIONAL = [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029]
"""They make text look like another, or break a line where there is none."""
_WRITTEN_OUT = {code: f"\\x{code:02x}" for code in _CONTROL} | {code: f"\\u{code:04x}" for code in _BIDIRECTIONAL}
del _WRITTEN_OUT[ord("\t")]
_WRITTEN_OUT_BUT_ESCAPE = {code: text for code, text in _WRITTEN_OUT.items() if code != 0x1B}


@dataclass(slots=True)  # not frozen: made in a fifth of the time
class RawLine:
    """One line of a log, cut to `MAX_LINE_BYTES`."""

    start: int
    """Offset in the file of its first byte."""
    end: int
    """Offset behind its last byte, the newline included."""
    content: bytes
    """What a terminal would show of it: what follows the last carriage return, cut."""
    elided_bytes: int = 0
    """Bytes that were cut off."""
    is_complete: bool = True
    """Whether its newline has come."""
    is_continuation: bool = False
    """Whether it begins in the middle of a line, since its beginning was given before."""

    def text(self, *, keep_colours: bool = False) -> str:
        """Return the content as text that is safe to show; colours stay as ANSI sequences if asked for."""
        return readable(self.content, is_cut=self.elided_bytes > 0, keep_colours=keep_colours)


class LineSplitter:
    """Cuts a stream of bytes into lines; holds no more than one line, cut.

    Args:
        offset: where in the file the stream begins.
        is_continuation: whether that is in the middle of a line.
    """

    def __init__(self, offset: int = 0, *, is_continuation: bool = False) -> None:
        self._start = self._offset = offset
        self._is_continuation = is_continuation
        self._kept = bytearray()
        self._elided_bytes = 0
        self._is_returned = False

    def feed(self, data: bytes) -> Iterator[RawLine]:
        """Take the bytes that follow; yield the lines that end in them."""
        *ended, rest = data.split(b"\n")
        is_plain = b"\r" not in data
        for piece in ended:
            if is_plain and self._offset == self._start and not self._is_continuation and len(piece) <= MAX_LINE_BYTES:
                self._start = self._offset = (start := self._offset) + len(piece) + 1
                yield RawLine(start, self._offset, piece)  # as most lines come: the same, in half the time
                continue
            self._extend(piece)
            self._offset += len(piece) + 1
            yield self._take(is_complete=True)
        self._extend(rest)
        self._offset += len(rest)

    def feed_without_middle(self, data: bytes) -> Iterator[RawLine]:
        """As `feed`, but drop the lines that begin and end in `data`: fast where none of them is wanted."""
        first, last = data.find(b"\n"), data.rfind(b"\n")
        yield from self.feed(data[: first + 1])
        self._offset += last - first
        self._start = self._offset if last > first else self._start
        yield from self.feed(data[last + 1 :])

    def skip(self, num_bytes: int) -> None:
        """Go on behind bytes that nobody wants to see, such as those of a hole, within a line."""
        self._offset += num_bytes
        self._elided_bytes += num_bytes

    def unfinished(self) -> RawLine | None:
        """Return the line whose newline has not come yet, and start a new piece of it; None if there is none."""
        return self._take(is_complete=False) if self._offset > self._start else None

    def _extend(self, piece: bytes) -> None:
        for number, segment in enumerate(piece.split(b"\r")):
            self._is_returned |= number > 0
            if not segment:
                continue
            if self._is_returned:  # only now: a return that nothing follows, as in `\r\n`, erases nothing
                self._kept.clear()
                self._elided_bytes = 0
                self._is_returned = False
            room = MAX_LINE_BYTES - len(self._kept)
            self._kept += segment[:room]
            self._elided_bytes += max(0, len(segment) - room)

    def _take(self, *, is_complete: bool) -> RawLine:
        line = RawLine(
            self._start, self._offset, bytes(self._kept), self._elided_bytes, is_complete, self._is_continuation
        )
        self._start = self._offset
        self._kept.clear()
        self._elided_bytes = 0
        self._is_returned = False
        self._is_continuation = not is_complete
        return line


def readable(content: bytes, *, is_cut: bool = False, keep_colours: bool = False) -> str:
    """Return bytes as one line of text: no control character but tab, and ANSI colours if asked for.

    Args:
        content: at most `MAX_LINE_BYTES`.
        is_cut: whether the last character may be half a one.
        keep_colours: leave the sequences that set colours as they are; all others go in either case.
    """
    content = content.rstrip(b"\0") if content[-1:] == b"\0" else content  # the hole of a log that was shortened
    if content.isascii() and (plain := content.decode("ascii")).isprintable():
        return plain  # as most lines: all that follows takes ten times as long
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(content, final=not is_cut)
    if not keep_colours:
        return _ALL_SEQUENCES.sub("", text).translate(_WRITTEN_OUT)[:MAX_LINE_BYTES]
    text = _ALL_BUT_COLOURS.sub("", text).translate(_WRITTEN_OUT_BUT_ESCAPE)
    return re.sub(rf"\x1b(?!{_COLOUR[4:]})", r"\\x1b", text)[:MAX_LINE_BYTES]
