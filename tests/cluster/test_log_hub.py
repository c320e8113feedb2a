"""Every byte of a log reaches the head once and in order, whatever is lost on the way."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utp.cluster.log_hub import MAX_TAKE_BYTES, LogHub

RUN = "0123456789abcdef" * 2
LOG = "rank0.log"


class Head:
    """A hub that can be restarted, and the directory in which it finds the worker's files, if it sees them."""

    def __init__(self, folder: Path, *, sees_files: bool) -> None:
        self.copies = folder / "home"
        self.attempt = folder / "attempt"
        self.attempt.mkdir(parents=True)
        self.sees_files = sees_files
        self.restart()

    def restart(self) -> None:
        self.hub = LogHub(self.copies, lambda run_id, attempt: self.attempt if self.sees_files else None)

    def take(self, offset: int, data: bytes) -> int:
        return self.hub.take(RUN, 1, LOG, offset, data)

    def write(self, data: bytes) -> None:
        with (self.attempt / LOG).open("ab") as file:
            file.write(data)

    def taken(self) -> bytes:
        return self.hub.file(RUN, 1, LOG).read_bytes()


@pytest.fixture
def head(tmp_path: Path) -> Head:
    return Head(tmp_path, sees_files=False)


@pytest.fixture
def sharing_head(tmp_path: Path) -> Head:
    return Head(tmp_path, sees_files=True)


def test_piece_that_comes_twice_is_written_once(head: Head) -> None:
    assert head.take(0, b"one\n") == 4
    assert head.take(0, b"one\n") == 4
    assert head.take(0, b"one\ntwo\n") == 8
    assert head.taken() == b"one\ntwo\n"


def test_missing_bytes_are_asked_for(head: Head) -> None:
    head.take(0, b"one\n")
    assert head.take(8, b"three\n") == 4
    assert head.taken() == b"one\n"


def test_restarted_hub_goes_on_behind_its_copy(head: Head) -> None:
    head.take(0, b"one\n")
    head.restart()
    assert head.take(8, b"three\n") == 4
    assert head.take(4, b"two\n") == 8


def test_no_copy_is_made_of_a_file_that_the_head_sees(sharing_head: Head) -> None:
    sharing_head.write(b"one\ntwo\n")
    assert sharing_head.take(0, b"one\n") == 4
    sharing_head.restart()
    assert sharing_head.take(4, b"two\n") == 8
    assert not sharing_head.copies.exists()
    assert sharing_head.taken() == b"one\ntwo\n"


def test_file_of_the_same_name_with_other_content_is_not_taken_for_the_workers(sharing_head: Head) -> None:
    sharing_head.write(b"an old run\n")
    assert sharing_head.take(0, b"one\n") == 4
    assert sharing_head.taken() == b"one\n"


def test_attempts_and_streams_are_apart(head: Head) -> None:
    assert head.hub.take(RUN, 1, "rank0.log", 0, b"a") == 1
    assert head.hub.take(RUN, 2, "rank0.log", 0, b"bc") == 2
    assert head.hub.take(RUN, 1, "metrics.jsonl", 0, b"{}\n") == 3


@pytest.mark.parametrize(
    ("run_id", "attempt", "stream"),
    [("../../etc", 1, LOG), (RUN, 0, LOG), (RUN, 1, "../result.json"), (RUN, 1, "rank0.log\n"), (RUN.upper(), 1, LOG)],
)
def test_names_that_are_no_stream_are_refused(head: Head, run_id: str, attempt: int, stream: str) -> None:
    with pytest.raises(ValueError, match="no such stream"):
        head.hub.take(run_id, attempt, stream, 0, b"x")


def test_oversized_piece_is_refused(head: Head) -> None:
    with pytest.raises(ValueError, match="data"):
        head.take(0, b"x" * (MAX_TAKE_BYTES + 1))


def test_attempt_that_is_forgotten_is_found_again_by_its_files(head: Head) -> None:
    head.take(0, b"one\n")
    head.hub.forget(RUN, 1)
    head.hub.forget_others([])
    assert head.take(4, b"two\n") == 8
    assert head.taken() == b"one\ntwo\n"


def test_disk_that_refuses_costs_no_byte(head: Head) -> None:
    head.take(0, b"one\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            head.take(4, b"two\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert head.take(4, b"two\n") == 8
    assert head.taken() == b"one\ntwo\n"


@given(data=st.data(), content=st.binary(min_size=1, max_size=60), sees_files=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_byte_arrives_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, content: bytes, sees_files: bool
) -> None:
    head = Head(tmp_path_factory.mktemp("hub"), sees_files=sees_files)
    head.write(content)
    offset = 0
    while offset < len(content):
        size = data.draw(st.integers(1, 20), "size")
        event = data.draw(st.sampled_from(["arrives", "is lost", "answer is lost", "restart", "comes late"]), "event")
        if event == "restart":
            head.restart()
        elif event == "comes late" and offset:  # an old piece, sent once more
            start = data.draw(st.integers(0, offset - 1), "start")
            head.take(start, content[start : start + size])
        elif event != "is lost":
            following = head.take(offset, content[offset : offset + size])
            offset = following if event == "arrives" else offset
    assert head.taken() == content


def test_copy_where_no_holes_can_be_made_is_whole_and_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = list[object]()

    def refuse(*asked: object) -> None:
        tries.append(asked)
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr("utp.cluster.log_hub.shorten", refuse)
    hub = LogHub(tmp_path, lambda run_id, attempt: None, 1 << 20)
    piece = b"x" * 99_999 + b"\n"
    for number in range(30):
        assert hub.take(RUN, 1, LOG, number * len(piece), piece) == (number + 1) * len(piece)
    assert hub.file(RUN, 1, LOG).read_bytes() == piece * 30
    assert len(tries) == 1
