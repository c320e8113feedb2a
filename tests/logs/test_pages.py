"""Pages of a log: every line once in either direction, bounded whatever the lines are."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utp.logs import pages as log_pages
from utp.logs.lines import MAX_LINE_BYTES
from utp.logs.pages import MAX_PAGE_BYTES, MAX_SCAN_BYTES, LogLine, read_page, read_page_before

LINES = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=40)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "rank0.log"


def read_forwards(log: Path, max_bytes: int) -> list[LogLine]:
    lines, offset = list[LogLine](), 0
    while offset < log.stat().st_size:
        page = read_page(log, offset, max_bytes)
        assert page.end > offset
        lines += page.lines
        offset = page.end
    return lines


def read_backwards(log: Path, max_bytes: int) -> list[LogLine]:
    lines, offset = list[LogLine](), log.stat().st_size
    while offset > 0:
        page = read_page_before(log, offset, max_bytes)
        assert page.start < offset
        lines[:0] = page.lines
        offset = page.start
    return lines


@given(LINES, st.integers(min_value=1, max_value=3000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_directions_give_every_line_once(
    log: Path, monkeypatch: pytest.MonkeyPatch, lines: list[bytes], max_bytes: int
) -> None:
    monkeypatch.setattr(log_pages, "_CHUNK_BYTES", 16)
    log.write_bytes(b"".join(lines))
    forwards = read_forwards(log, max_bytes)
    assert len(forwards) == len(lines)
    assert not any(line.is_continuation for line in forwards)
    assert read_backwards(log, max_bytes) == forwards


def test_log_that_does_not_exist_yet_is_empty(log: Path) -> None:
    assert read_page(log, 100).lines == read_page_before(log).lines == ()


def test_page_is_capped(log: Path) -> None:
    log.write_bytes(b"x" * 999 + b"\n" + b"\n" * 10_000 + (b"y" * 999 + b"\n") * 1000)
    for page in (read_page(log, 0), read_page_before(log)):
        assert 0 < sum(len(line.text) for line in page.lines) <= MAX_PAGE_BYTES
        assert len(page.lines) < 5000
        assert page.size_bytes == log.stat().st_size


def test_tail_goes_on_where_it_ended(log: Path) -> None:
    log.write_bytes(b"one\ntwo\nthr")
    tail = read_page_before(log)
    assert [(line.text, line.is_complete) for line in tail.lines] == [("one", True), ("two", True), ("thr", False)]
    with log.open("ab") as file:
        file.write(b"ee\nfour\n")
    assert [line.text for line in read_page(log, tail.end).lines] == ["three", "four"]


def test_short_line_without_its_newline_is_given_again(log: Path) -> None:
    log.write_bytes(b"one\nprogress 10%")
    page = read_page(log, 0)
    assert (page.lines[-1].text, page.end) == ("progress 10%", 4)


def test_long_line_without_its_newline_goes_on_as_a_continuation(log: Path) -> None:
    log.write_bytes(b"x" * (MAX_LINE_BYTES + 1))
    page = read_page(log, 0)
    assert (page.lines[0].elided_bytes, page.lines[0].is_complete, page.end) == (1, False, MAX_LINE_BYTES + 1)
    with log.open("ab") as file:
        file.write(b"yz\n")
    (line,) = read_page(log, page.end).lines
    assert (line.text, line.is_continuation, line.is_complete) == ("yz", True, True)


def test_offset_in_the_middle_of_a_line_is_marked(log: Path) -> None:
    log.write_bytes(b"hello\nworld\n")
    assert [(line.text, line.is_continuation) for line in read_page(log, 2).lines] == [("llo", True), ("world", False)]
    assert [(line.text, line.is_complete) for line in read_page_before(log, 8).lines] == [
        ("hello", True),
        ("wo", False),
    ]


def test_offsets_beyond_the_file_are_its_end(log: Path) -> None:
    log.write_bytes(b"one\n")
    assert read_page(log, 10_000).end == 4
    assert read_page(log, -5).lines[0].text == "one"
    assert read_page_before(log, 10_000).lines[0].text == "one"


def test_search_gives_only_lines_that_hold_the_words(log: Path) -> None:
    log.write_bytes(b"".join(b"step %d\n" % number for number in range(50_000)) + b"\x1b[31mError\x1b[0m: disk full\n")
    assert [line.text for line in read_page(log, 0, containing=": DISK").lines] == ["Error: disk full"]
    assert [line.text for line in read_page_before(log, containing="step 49999").lines] == ["step 49999"]


def test_search_stops_after_its_share_of_the_file_and_says_where(log: Path) -> None:
    with log.open("wb") as file:
        for _ in range(20):
            file.write(b"nothing here\n" * 80_660)  # 1 MiB
    page = read_page(log, 0, containing="absent")
    assert page.lines == ()
    assert MAX_SCAN_BYTES - 100 < page.end < page.size_bytes
    before = read_page_before(log, containing="absent")
    assert 0 < before.start < page.size_bytes


def test_line_of_100_mb_is_paged_in_bounded_memory(log: Path) -> None:
    with log.open("wb") as file:
        file.write(b"before\n")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\nafter\n")
    tracemalloc.start()
    lines = read_forwards(log, MAX_PAGE_BYTES)
    tail = read_page_before(log)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
    assert (lines[0].text, lines[-1].text, tail.lines[-1].text) == ("before", "after", "after")
    long_line = lines[1:-1]
    assert [line.is_continuation for line in long_line] == [False] + [True] * (len(long_line) - 1)
    assert sum(len(line.text) + line.elided_bytes for line in long_line) == 100_000_000


@given(LINES, st.sampled_from([b"a", b"\x00", b"bc"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_search_finds_every_line_and_no_other(
    log: Path, monkeypatch: pytest.MonkeyPatch, lines: list[bytes], wanted: bytes
) -> None:
    monkeypatch.setattr(log_pages, "_CHUNK_BYTES", 8)
    log.write_bytes(b"".join(lines))
    expected = [line.start for line in read_forwards(log, 4000) if wanted in _shown_bytes(log, line).lower()]
    assert [line.start for line in read_page(log, 0, containing=wanted.decode()).lines] == expected
    assert [line.start for line in read_page_before(log, containing=wanted.decode()).lines] == expected


def _shown_bytes(log: Path, line: LogLine) -> bytes:
    content = log.read_bytes()[line.start :].partition(b"\n")[0]
    return content.rstrip(b"\r").rpartition(b"\r")[2]
