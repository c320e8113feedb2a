"""Pages and search by the number of a line, bounded whatever the lines are."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

import pytest

from utp.logs import line_index, numbered
from utp.logs.line_facts import LogLevel, level_of, written_at
from utp.logs.line_index import STRIDE_BYTES, LineIndex
from utp.logs.lines import MAX_LINE_BYTES
from utp.logs.numbered import read_numbered, search


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "rank0.log"


def test_pages_one_behind_the_other_are_the_file(log: Path) -> None:
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(10_000)))
    index, lines = LineIndex(log), list[str]()
    while (page := read_numbered(index, len(lines), 777, is_live=True)).lines:
        assert [line.line for line in page.lines] == [*range(len(lines), len(lines) + len(page.lines))]
        lines += [line.text for line in page.lines]
    assert lines == [f"line {number}" for number in range(10_000)]
    assert (page.start, page.num_lines, page.size_bytes) == (10_000, 10_000, log.stat().st_size)


def test_negative_start_counts_from_the_end(log: Path) -> None:
    log.write_bytes(b"a\nb\nc\n")
    assert [line.text for line in read_numbered(LineIndex(log), -2, 100, is_live=True).lines] == ["b", "c"]
    assert read_numbered(LineIndex(log), -9, 100, is_live=True).start == 0


def test_line_without_its_newline_is_shown_once_nothing_more_comes(log: Path) -> None:
    log.write_bytes(b"a\nhalf")
    live, ended = (read_numbered(LineIndex(log), 0, 10, is_live=is_live) for is_live in (True, False))
    assert (live.num_lines, [line.text for line in live.lines]) == (1, ["a"])
    assert (ended.num_lines, [line.text for line in ended.lines]) == (2, ["a", "half"])


def test_log_that_does_not_exist_yet_is_empty(log: Path) -> None:
    assert read_numbered(LineIndex(log), -5, 10, is_live=True).num_lines == 0
    assert search(LineIndex(log), "a").is_complete


def test_page_of_long_lines_is_bounded_and_goes_on(log: Path) -> None:
    log.write_bytes(b"".join(b"%d" % number * 20_000 + b"\n" for number in range(5)))
    page = read_numbered(LineIndex(log), 0, 5, is_live=True, max_bytes=40_000)
    assert [line.line for line in page.lines] == [0, 1]
    assert page.lines[0].text.endswith(f"… {20_000 - MAX_LINE_BYTES} bytes more")
    assert [line.text[0] for line in read_numbered(LineIndex(log), 2, 5, is_live=True).lines] == ["2", "3", "4"]


@pytest.mark.parametrize("part", [b"x", b"50%|##  |\r"])
def test_line_of_many_megabytes_is_shown_cut_in_bounded_memory(
    log: Path, monkeypatch: pytest.MonkeyPatch, part: bytes
) -> None:
    monkeypatch.setattr(numbered, "MAX_SCAN_BYTES", 1 << 20)
    with log.open("wb") as file:
        file.write(b"first\n")
        for _ in range(20):
            file.write(part * (1_000_000 // len(part)))
        file.write(b"\nlast\n")
    tracemalloc.start()
    page = read_numbered(LineIndex(log), 0, 10, is_live=True)
    found = search(LineIndex(log), "last")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [page.lines[0].text, page.lines[2].text] == ["first", "last"]
    assert len(page.lines[1].text) < MAX_LINE_BYTES + 100
    assert [line.line for line in found.lines] == [2]
    assert peak < 8 << 20


def test_line_is_safe_to_show(log: Path) -> None:
    log.write_bytes(b"\x00\xff</script>\x1b[31mred\x1b[0m\x1b]0;title\x07 \xe2\x80\xae:actor_name:x\n")
    (line,) = read_numbered(LineIndex(log), 0, 1, is_live=True).lines
    assert line.text == "\\x00\ufffd</script>\x1b[31mred\x1b[0m \\u202e:actor_name:x"


def test_page_of_a_million_lines_reads_little_once_they_are_counted(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it takes is told by bench/log_flood.py."""
    line = b"2026-11-23T07:34:58.122+00:00 train step %d: loss 0.123\n"
    log.write_bytes(b"".join(line % number for number in range(1_000_000)))
    index = LineIndex(log)
    num_read: list[int] = []

    def open_counted(path: Path) -> FileIO:
        return CountedFile(path, num_read)

    monkeypatch.setattr(line_index, "open_log", open_counted)
    for start in (999_000, 0, 123_456, -1000):  # the first one counts the lines
        page = read_numbered(index, start, 1000, is_live=True)
        assert len(page.lines) == 1000
        assert page.lines[0].text.endswith(f"step {start % 1_000_000}: loss 0.123")
        most = 4 * STRIDE_BYTES + (log.stat().st_size if start == 999_000 else 0)
        assert sum(num_read) < most, (start, num_read)
        num_read.clear()


class CountedFile(FileIO):
    """Notes how much is read of it."""

    def __init__(self, path: Path, num_read: list[int]) -> None:
        super().__init__(path)
        self._num_read = num_read

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(-1 if size is None else size)
        self._num_read.append(len(data or b""))
        return data or b""


def test_search_finds_the_last_ones_and_says_what_it_left_out(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbered, "_WINDOW_BYTES", 64)
    log.write_bytes(b"".join(b"Step %d: %s\n" % (n, b"ERROR it broke" if n % 10 == 0 else b"fine") for n in range(100)))
    index = LineIndex(log)
    matches = search(index, "error", limit=3)
    assert [line.line for line in matches.lines] == [70, 80, 90]
    assert (matches.total, matches.is_complete) == (10, True)
    assert [line.line for line in search(index, "STEP 3", before=31).lines] == [3, 30]
    assert [line.line for line in search(index, "", level=LogLevel.ERROR, limit=2).lines] == [80, 90]
    assert search(index, "fine", level=LogLevel.ERROR).total == 0
    monkeypatch.setattr(numbered, "MAX_SEARCH_BYTES", 100)
    assert not search(index, "step 1").is_complete


def test_search_of_what_a_progress_bar_erased_finds_nothing(log: Path) -> None:
    log.write_bytes(b"10%\r100%\n")
    assert search(LineIndex(log), "10%").total == 0
    assert search(LineIndex(log), "100%").total == 1


@pytest.mark.parametrize(
    ("text", "level", "at"),
    [
        ("2026-11-23T07:34:58.122+00:00 checkpoint committed", None, datetime(2026, 11, 23, 7, 34, 58, 122_000, UTC)),
        ("2026-11-23 09:34:58,122+0200\tINFO config.py:145", "info", datetime(2026, 11, 23, 7, 34, 58, 122_000, UTC)),
        ("2026-11-23 07:18:07,938\tWARNING config.py:145", "warning", None),
        ("\x1b[1;31mERROR\x1b[0m it broke", "error", None),
        ("Traceback (most recent call last):", "error", None),
        ("torch.OutOfMemoryError: CUDA out of memory", "error", None),
        ("2026-13-45T99:99:99Z FATAL", "critical", None),
        ("train step 9: INFORMATION", None, None),
    ],
)
def test_line_says_when_it_was_written_and_how_serious_it_is(text: str, level: str | None, at: datetime | None) -> None:
    assert level_of(text) == level
    assert written_at(text) == at
