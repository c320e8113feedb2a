"""Bytes of a log become lines that are safe to show, whatever the bytes are and however they are cut."""

from __future__ import annotations

import itertools
import tracemalloc
import unicodedata
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utp.logs.lines import MAX_LINE_BYTES, LineSplitter, RawLine, readable

NASTY_BYTES = st.lists(st.sampled_from([b"\n", b"\r", b"\x1b[31m", b"ab", b"\xff", "ü€".encode(), b"\x00"])).map(
    b"".join
)


def split(*chunks: bytes) -> list[RawLine]:
    splitter = LineSplitter()
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    rest = splitter.unfinished()
    return [*lines, rest] if rest else lines


def texts(*chunks: bytes) -> list[str]:
    return [line.text() for line in split(*chunks)]


def cut(data: bytes, places: Sequence[int]) -> Iterator[bytes]:
    marks = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return (data[start:end] for start, end in itertools.pairwise(marks))


@given(NASTY_BYTES, st.lists(st.integers(min_value=0)))
def test_how_the_stream_is_cut_changes_nothing(data: bytes, places: Sequence[int]) -> None:
    assert split(*cut(data, places)) == split(data)


@given(NASTY_BYTES)
def test_lines_cover_every_byte_once(data: bytes) -> None:
    lines = split(data)
    assert [line.start for line in lines] == [0, *(line.end for line in lines[:-1])][: len(lines)]
    assert (lines[-1].end if lines else 0) == len(data)
    assert sum(line.is_complete for line in lines) == data.count(b"\n")


@given(st.binary())
def test_text_holds_no_control_character(data: bytes) -> None:
    for line in texts(data):
        assert not {"Cc", "Zl", "Zp"} & {unicodedata.category(character) for character in line} or "\t" in line
        assert not set(line) & {chr(code) for code in (*range(9), *range(10, 0x20), *range(0x7F, 0xA0))}


def test_carriage_return_starts_the_line_over() -> None:
    assert texts(b" 10%|#   |\r 50%|##  |\r100%|####|\ndone\r\n") == ["100%|####|", "done"]


def test_bar_that_ends_in_a_carriage_return_is_still_shown() -> None:
    assert texts(b"10%\r", b"50%\r") == ["50%"]


def test_broken_utf8_is_replaced() -> None:
    assert texts(b"caf\xe9 \xf0\x9f\n") == ["caf\ufffd \ufffd"]


def test_colours_are_kept_only_on_request_and_other_sequences_never() -> None:
    content = b"\x1b[1;31mred\x1b[0m\x1b[2J\x1b[3A \x1b]0;title\x07\x1b]8;;http://evil\x1b\\link\x1b(B"
    assert readable(content) == "red link"
    assert readable(content, keep_colours=True) == "\x1b[1;31mred\x1b[0m link"


@pytest.mark.parametrize("keep_colours", [False, True])
def test_control_characters_are_written_out(keep_colours: bool) -> None:
    content = "a\x00b\x07\tc\x1b\u202egpj.exe\u2028".encode()
    assert readable(content, keep_colours=keep_colours) == "a\\x00b\\x07\tc\\x1b\\u202egpj.exe\\u2028"


def test_prefixes_of_ray_and_markup_are_only_text() -> None:
    fakes = b":actor_name:root\n:job_id:01000000\n</script><b>\n"
    assert texts(fakes) == fakes.decode().splitlines()


def test_long_line_is_cut_and_says_by_how_much() -> None:
    (line,) = split(b"x" * (MAX_LINE_BYTES + 10), b"y" * 90 + b"\n")
    assert (len(line.text()), line.elided_bytes, line.end) == (MAX_LINE_BYTES, 100, MAX_LINE_BYTES + 101)


def test_cut_through_a_character_leaves_no_half_of_it() -> None:
    (line,) = split(b"x" + "é".encode() * MAX_LINE_BYTES)
    assert line.text() == "x" + "é" * (MAX_LINE_BYTES // 2 - 1)


def test_written_out_text_is_bounded_too() -> None:
    assert len(readable(b"\x01" * MAX_LINE_BYTES)) == MAX_LINE_BYTES


def test_line_of_100_mb_takes_little_memory() -> None:
    chunk = b"x" * (1 << 16)
    splitter = LineSplitter()
    tracemalloc.start()
    for _ in range(100_000_000 // len(chunk)):
        assert list(splitter.feed(chunk)) == []
    (line,) = splitter.feed(b"\n")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert line.elided_bytes == 100_000_000 // len(chunk) * len(chunk) - MAX_LINE_BYTES
    assert peak < 1_000_000
