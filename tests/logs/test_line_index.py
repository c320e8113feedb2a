"""Where lines begin: as counting them says, while the file grows, and after it was cut off or replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utp.logs import line_index
from utp.logs.line_index import LineIndex, LineIndexes

PIECES = st.lists(st.text("ab\n", max_size=40).map(str.encode), max_size=20)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "rank0.log"


def starts(content: bytes) -> list[int]:
    return [0, *(position + 1 for position, byte in enumerate(content) if byte == ord("\n"))]


@given(PIECES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_line_is_found_while_the_file_grows(
    log: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
) -> None:
    monkeypatch.setattr(line_index, "STRIDE_BYTES", 8)
    monkeypatch.setattr(line_index, "_READ_BYTES", 32)
    log.unlink(missing_ok=True)
    index, content = LineIndex(log), b""
    for piece in pieces:
        content += piece
        log.write_bytes(content)
        with index.opened() as file:
            assert [file.offset_of(line) for line in range(file.num_newlines + 1)] == starts(content)
            for at in range(len(content)):
                assert file.line_at(at) == content[:at].count(b"\n")
            assert file.num_lines == len(content.splitlines())


def test_file_that_was_cut_off_or_replaced_is_counted_anew(log: Path) -> None:
    index = LineIndex(log)
    for content in (b"a\nb\nc\n", b"a\n"):
        log.write_bytes(content)
        with index.opened() as file:
            assert file.num_newlines == content.count(b"\n")
    other = log.with_name("other")
    other.write_bytes(b"1\n2\n3\n4\n")
    other.replace(log)
    with index.opened() as file:
        assert file.num_newlines == 4


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_only_an_ordinary_file_is_a_log(log: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").write_text("secret")
    if kind == "link":
        log.symlink_to(tmp_path / "secret")
    elif kind == "fifo":
        os.mkfifo(log)
    else:
        log.mkdir()
    with pytest.raises(FileNotFoundError), LineIndex(log).opened():
        pass


def test_indexes_used_last_are_kept(tmp_path: Path) -> None:
    indexes = LineIndexes(max_indexes=2)
    first, second = indexes.of(tmp_path / "1"), indexes.of(tmp_path / "2")
    assert indexes.of(tmp_path / "1") is first
    indexes.of(tmp_path / "3")
    assert indexes.of(tmp_path / "1") is first
    assert indexes.of(tmp_path / "2") is not second
