"""Every byte of a log reaches the head and its followers once and in order, whatever is lost on the way."""

from __future__ import annotations

import resource
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utp.cluster.log_hub import MAX_TAKE_BYTES, LogHub
from utp.cluster.log_subscription import MAX_WAITING_BYTES, Chunk, Gap, Subscription

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


def bytes_of(head: Head, items: list[Chunk | Gap]) -> bytes:
    """What a follower ends up with, that fills its gaps from the file."""
    parts = [
        item.data if isinstance(item, Chunk) else head.hub.read(RUN, 1, LOG, item.start, item.end) for item in items
    ]
    return b"".join(parts)


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


def test_follower_gets_what_is_there_as_a_gap_and_what_comes_as_chunks(head: Head) -> None:
    head.take(0, b"one\n")
    follower = head.hub.subscribe(RUN, 1, LOG, 0)
    head.take(4, b"two\n")
    assert follower.take() == [Gap(0, 4), Chunk(4, b"two\n")]
    assert follower.take() == []


def test_follower_of_a_run_that_has_written_nothing_waits(head: Head) -> None:
    follower = head.hub.subscribe(RUN, 1, LOG, 0)
    threading.Timer(0.05, head.take, (0, b"one\n")).start()
    assert follower.take(timeout_s=10) == [Chunk(0, b"one\n")]


def test_follower_from_the_middle_gets_only_what_is_behind(head: Head) -> None:
    head.take(0, b"one\n")
    follower = head.hub.subscribe(RUN, 1, LOG, 6)
    head.take(4, b"two\nthree\n")
    assert follower.take() == [Chunk(6, b"o\nthree\n")]


def test_slow_follower_gets_one_gap_and_then_goes_on(head: Head) -> None:
    follower = head.hub.subscribe(RUN, 1, LOG, 0)
    piece = b"x" * 255 + b"\n"
    for number in range(MAX_WAITING_BYTES // 256 + 1):
        head.take(number * 256, piece)
    first, second = follower.take()
    assert (first, second) == (Gap(0, MAX_WAITING_BYTES), Chunk(MAX_WAITING_BYTES, piece))
    head.take(MAX_WAITING_BYTES + 256, piece)
    assert bytes_of(head, [first, second, *follower.take()]) == head.taken()


def test_ended_attempt_closes_its_followers(head: Head) -> None:
    follower = head.hub.subscribe(RUN, 1, LOG, 0)
    head.take(0, b"last\n")
    head.hub.forget(RUN, 1)
    assert follower.take() == [Chunk(0, b"last\n")]
    assert follower.is_closed
    assert follower.take(timeout_s=10) == []


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
    follower = head.hub.subscribe(RUN, 1, LOG, len(content))
    followed: list[Chunk | Gap] = []
    is_first, offset = True, 0
    while offset < len(content):
        size = data.draw(st.integers(1, 20), "size")
        event = data.draw(st.sampled_from(["arrives", "is lost", "answer is lost", "restart", "comes late"]), "event")
        if event == "restart":
            followed += follower.take()
            head.restart()
            seen = followed[-1].end if followed else 0
            follower, is_first = head.hub.subscribe(RUN, 1, LOG, seen), False
        elif event == "comes late" and offset:  # an old piece, sent once more
            start = data.draw(st.integers(0, offset - 1), "start")
            head.take(start, content[start : start + size])
        elif event != "is lost":
            if is_first:
                follower, is_first = head.hub.subscribe(RUN, 1, LOG, 0), False
            following = head.take(offset, content[offset : offset + size])
            offset = following if event == "arrives" else offset
    followed += follower.take()
    assert head.taken() == content
    assert bytes_of(head, followed) == content
    assert [item.start for item in followed] == [0, *(item.end for item in followed[:-1])]


def test_200_followers_and_one_that_sleeps_do_not_slow_the_run(head: Head) -> None:
    followers = [head.hub.subscribe(RUN, 1, LOG, 0) for _ in range(200)]
    received = [0] * len(followers)
    is_over = threading.Event()

    def follow() -> None:
        while not is_over.is_set():
            for number, follower in enumerate(followers[1:], 1):
                received[number] += sum(item.end - item.start for item in follower.take())
            time.sleep(0.005)

    reader = threading.Thread(target=follow)
    reader.start()
    piece, slowest = b"x" * (64 << 10), 0.0
    for number in range(100):
        began = time.thread_time()
        head.take(number * len(piece), piece)
        slowest = max(slowest, time.thread_time() - began)
    is_over.set()
    reader.join()
    for number, follower in enumerate(followers[1:], 1):
        received[number] += sum(item.end - item.start for item in follower.take())
    assert set(received[1:]) == {100 * len(piece)}
    assert isinstance(followers[0].take()[0], Gap)
    assert slowest < 0.02


def test_what_a_follower_does_not_take_is_bounded() -> None:
    follower = Subscription(0, 0)
    piece = b"x" * 1000
    for number in range(10_000):
        follower.publish(Chunk(number * 1000, piece))
        assert follower._waiting_bytes <= MAX_WAITING_BYTES
    gap, *chunks = follower.take()
    assert gap.end == chunks[0].start
    assert chunks[-1].end == 10_000_000
