"""A disk that is full for a while loses nothing of an append-only file, and tears no line of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.file_size_limit import file_size_limit

from utp.core.growing_file import GrowingFile

LINES = [f"line {number} of some length\n".encode() for number in range(20)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows"


def test_what_is_appended_is_in_the_file_at_once(path: Path) -> None:
    path.write_bytes(b"before\n")
    file = GrowingFile(path)
    file.append(b"one\n")
    assert path.read_bytes() == b"before\none\n"
    file.write(b"two\n")
    assert path.read_bytes() == b"before\none\n"
    file.close()
    file.close()
    assert path.read_bytes() == b"before\none\ntwo\n"


@pytest.mark.parametrize("room", [0, 30, 61])
def test_what_the_disk_refuses_or_takes_in_part_waits_in_order(path: Path, room: int) -> None:
    file = GrowingFile(path)
    with file_size_limit(room):
        for line in LINES[:10]:
            file.append(line)
        assert path.stat().st_size == room
        assert file.refusal is not None
        with pytest.raises(OSError, match="File too large"):
            file.sync()
    for line in LINES[10:]:
        file.append(line)
    assert file.refusal is None
    assert path.read_bytes() == b"".join(LINES)
    file.close()


def test_file_that_is_there_is_not_taken_for_a_new_one(path: Path) -> None:
    GrowingFile(path, is_new=True).close()
    with pytest.raises(FileExistsError):
        GrowingFile(path, is_new=True)


def test_closing_on_a_full_disk_lets_go_of_the_descriptor(path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with file_size_limit(0):
        file = GrowingFile(path)
        file.append(b"lost\n")
        file.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
