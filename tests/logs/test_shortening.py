"""Logs that outgrow their limit: what is kept stays at its offset and number, and the disk is given back."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utp.logs.line_index import STRIDE_BYTES, LineIndex
from utp.logs.numbered import read_numbered, search
from utp.logs.pages import read_page, read_page_before
from utp.logs.shortening import FIRST_SHARE, LAST_SHARE, NEWLINES_SHARE, next_data, shorten

LIMIT = 1 << 20


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "rank0.log"


def on_disk(log: Path) -> int:
    return log.stat().st_blocks * 512


def lines_of(number: int, size: int, first: int = 0) -> bytes:
    return b"".join(f"line {n} ".encode().ljust(size - 1, b".") + b"\n" for n in range(first, first + number))


def texts(log: Path, start: int, number: int) -> list[str]:
    page = read_numbered(LineIndex(log), start, number, is_live=False)
    assert [line.line for line in page.lines] == list(range(page.start, page.start + len(page.lines)))
    return [line.text for line in page.lines]


def test_log_within_its_limit_is_left_alone(log: Path) -> None:
    log.write_bytes(lines_of(1000, 1000))
    before = log.read_bytes()
    assert not shorten(log, LIMIT)
    assert log.read_bytes() == before


def test_middle_goes_and_lines_keep_their_offsets_and_numbers(log: Path) -> None:
    content = lines_of(20_000, 200)
    log.write_bytes(content)
    assert shorten(log, LIMIT)
    after = log.read_bytes()
    assert len(after) == len(content)
    assert after.count(b"\n") == content.count(b"\n")
    first, last = int(LIMIT * FIRST_SHARE), int(LIMIT * LAST_SHARE)
    assert after[:first] == content[:first]
    assert after[-last:] == content[-last:]
    assert on_disk(log) < LIMIT * (FIRST_SHARE + LAST_SHARE + NEWLINES_SHARE)
    marker = next(n for n, text in enumerate(texts(log, 0, 2000)) if text.startswith("[utp dropped"))
    dropped = int(texts(log, marker, 1)[0].split()[2])
    assert texts(log, 0, marker)[-1].startswith(f"line {marker - 1} ")
    assert texts(log, marker + dropped, 2)[0].startswith(f"line {marker + dropped} ")
    assert texts(log, -1, 1)[0].startswith("line 19999 ")
    assert set(texts(log, marker + 1, dropped - 2)) == {""}
    assert "bytes more" in texts(log, marker + dropped - 1, 1)[0]


def test_index_that_counted_before_gives_the_same_lines_as_a_new_one_after(log: Path) -> None:
    index = LineIndex(log)
    for number in range(0, 40_000, 4000):
        with log.open("ab") as file:
            file.write(lines_of(4000, 100, first=number))
        read_numbered(index, -1, 1, is_live=True)
        shorten(log, LIMIT)
        for start in range(0, number + 4000, 997):
            known, fresh = (read_numbered(one, start, 3, is_live=True) for one in (index, LineIndex(log)))
            assert known == fresh, start
    with log.open("ab") as file:
        file.write(b"one more\n")
    assert read_numbered(index, -1, 1, is_live=True).lines[0].text == "one more"


def test_reading_by_offset_passes_the_hole_in_either_direction(log: Path) -> None:
    log.write_bytes(lines_of(300_000, 200))
    shorten(log, 8 * LIMIT)
    page, shown = read_page(log, 0), list[str]()
    while page.lines:
        shown += [line.text.strip() for line in page.lines]
        page = read_page(log, page.end)
    marker = next(number for number, line in enumerate(shown) if line.startswith("[utp dropped "))
    assert len(shown) == 300_000 - int(shown[marker].split()[2]) + 1
    assert [line.split()[:2] for line in shown[:marker]] == [["line", str(n)] for n in range(marker)]
    assert "" not in shown
    assert shown[0].startswith("line 0 ")
    assert shown[-1].startswith("line 299999 ")
    assert read_page_before(log).lines[-1].text.startswith("line 299999 ")


def test_search_finds_what_is_kept_and_does_not_read_the_hole(log: Path) -> None:
    log.write_bytes(lines_of(300_000, 200))
    shorten(log, 8 * LIMIT)
    assert [line.line for line in search(LineIndex(log), "line 299990 ").lines] == [299_990]
    assert search(LineIndex(log), "line 150000 ").total == 0
    assert [line.line for line in search(LineIndex(log), "line 7 ").lines] == [7]


@given(st.integers(0, 2**32), st.lists(st.integers(1, 250_000), min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_log_that_grows_and_is_shortened_again_and_again(log: Path, seed: int, pieces: list[int]) -> None:
    rng = random.Random(seed)
    limit = rng.choice([1 << 13, 1 << 17])
    typical = rng.choice([3, 30, 300, 3000, 1 << 20])
    content = bytearray()
    log.unlink(missing_ok=True)
    index = LineIndex(log)
    with log.open("ab", buffering=0) as out:
        for size in pieces:
            piece = rng.randbytes(size).replace(b"\n", b"n").replace(b"\0", b"0")
            piece = bytes(10 if rng.random() < 1 / typical else byte for byte in piece)
            out.write(piece)
            content += piece
            with index.opened():
                pass  # counted before something is dropped, as the followers of a log do
            shorten(log, limit)
    after = log.read_bytes()
    assert len(after) == len(content)
    assert after[: int(limit * FIRST_SHARE)] == content[: int(limit * FIRST_SHARE)]
    assert after[-int(limit * LAST_SHARE) :] == content[-int(limit * LAST_SHARE) :]
    if len(content) > limit:
        assert b"[utp dropped" in after
        assert on_disk(log) <= limit * (1 + NEWLINES_SHARE) + 4 * 4096
    else:
        assert after == content
    if content.count(b"\n") <= limit * NEWLINES_SHARE and limit > 1 << 13:
        assert after.count(b"\n") == content.count(b"\n")
        with index.opened() as old, LineIndex(log).opened() as new:
            assert old.num_lines == new.num_lines
            kept_from = new.line_at(max(0, len(content) - int(limit * LAST_SHARE))) + 1  # the first that is kept whole
            for number in (0, *range(kept_from, min(kept_from + 10, new.num_lines)), new.num_lines):
                assert old.offset_of(number) == new.offset_of(number)


def test_index_passes_a_hole_without_reading_it(log: Path) -> None:
    log.write_bytes(b"first\n")
    with log.open("r+b") as file:
        file.seek(1 << 40)  # a terabyte of which reading would take minutes
        file.write(b"\nlast\n")
    index = LineIndex(log)
    with index.opened() as state:
        assert state.num_newlines == 3
        assert state.counts[-1] == 1
        assert len(state.counts) == state.size_bytes // STRIDE_BYTES + 1
        assert state.offset_of(2) == (1 << 40) + 1
    page = read_page(log, 0)
    assert [line.text for line in page.lines] == ["first", "", "last"]


def test_who_appends_meanwhile_loses_nothing(log: Path) -> None:
    num_lines = 60_000

    def write() -> None:
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        for n in range(num_lines):
            os.write(descriptor, f"line {n} ".encode().ljust(99) + b"\n")
        os.close(descriptor)

    writer = threading.Thread(target=write)
    writer.start()
    num_drops = 0
    while writer.is_alive():
        num_drops += log.exists() and shorten(log, LIMIT)
    writer.join()
    assert num_drops > 2
    kept = texts(log, num_lines - 2000, 2000)
    assert kept[-1].strip() == f"line {num_lines - 1}"
    numbers = [int(line.split()[1]) for line in kept if line.startswith("line ")]
    assert numbers == list(range(numbers[0], num_lines))


def test_lines_of_the_run_that_look_like_the_marker_do_no_harm(log: Path) -> None:
    first = int(LIMIT * FIRST_SHARE)
    fake = b"[utp dropped 99999999999 lines, 999999999999999 bytes: mine]\n"
    content = lines_of(first // 64, 64) + fake + lines_of(50_000, 64)
    log.write_bytes(content)
    shorten(log, LIMIT)
    after = log.read_bytes()
    assert after[-int(LIMIT * LAST_SHARE) :] == content[-int(LIMIT * LAST_SHARE) :]
    assert on_disk(log) < LIMIT


def test_link_in_the_place_of_a_log_is_not_followed(log: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(lines_of(20_000, 200))
    log.symlink_to(target)
    with pytest.raises(OSError, match="symbolic"):
        shorten(log, LIMIT)
    assert target.read_bytes() == lines_of(20_000, 200)


def test_place_of_the_next_byte_leaves_the_reader_where_it_was(log: Path) -> None:
    log.write_bytes(b"x" * 10)
    os.truncate(log, 1 << 20)
    with log.open("rb") as file:
        assert file.read(3) == b"xxx"
        assert next_data(file.fileno(), 1 << 16) == 1 << 20
        assert file.read(7) == b"x" * 7
