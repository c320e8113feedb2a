from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from utp.client.local_client import LocalClient
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.logs.places import copies_folder
from utp.store.recorder.queueing import QueuedRun
from utp.store.states import Outcome, Wish

CONFIG = TrainConfig(root="data", model_flavour="builtin/vit-tiny", load_pretrained=False)


@pytest.fixture
def run(client: LocalClient) -> QueuedRun:
    return client.submit(CONFIG, RunRequest(), project="default", owner="")


def write_log(run: QueuedRun, content: bytes, attempt: int = 1) -> None:
    log = Path(run.run_dir) / "attempts" / str(attempt) / "rank0.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(content)


def printed(client: LocalClient, run: QueuedRun) -> list[str]:
    return list(islice(client.log_lines(run.id, is_followed=False), 20))


def last(client: LocalClient, run: QueuedRun, num_lines: int | None) -> list[str]:
    return list(islice(client.last_log_lines(run.id, attempt=1, rank=0, num_lines=num_lines), 20))


def test_line_that_was_broken_off_is_printed_once(client: LocalClient, run: QueuedRun) -> None:
    write_log(run, b"one\ntwo\nepoch 3: 50%")
    assert printed(client, run) == last(client, run, None) == ["one", "two", "epoch 3: 50%"]
    assert last(client, run, 2) == ["two", "epoch 3: 50%"]
    assert last(client, run, 9) == ["one", "two", "epoch 3: 50%"]


def test_line_that_was_broken_off_ends_its_attempt_where_another_follows(client: LocalClient, run: QueuedRun) -> None:
    client._recorder.begin_submission(run.id)
    write_log(run, b"one\ntwo: 50%")
    client._recorder.set_wish(run.id, Wish.PREEMPT, by="")
    client._recorder.end_attempt(run.id, 1, outcome=Outcome.PREEMPTED)
    client._recorder.begin_submission(run.id)
    write_log(run, b"three\nfour: 50%", attempt=2)
    followed = client.log_lines(run.id, is_followed=True, sleep=lambda seconds: pytest.fail("it waited"))
    assert list(islice(followed, 3)) == ["one", "two: 50%", "three"]


def test_last_lines_of_a_long_log_are_read_from_its_end(client: LocalClient, run: QueuedRun) -> None:
    write_log(run, b"".join(b"line %d %s\n" % (number, b"x" * 500) for number in range(3000)))
    lines = client.last_log_lines(run.id, attempt=1, rank=0, num_lines=1200)
    assert [int(line.split()[1]) for line in lines] == list(range(1800, 3000))


def test_log_on_a_disk_that_the_head_does_not_see_is_read_from_its_copy(client: LocalClient, run: QueuedRun) -> None:
    copy = copies_folder(client.settings.home) / run.id / "1" / "rank0.log"
    copy.parent.mkdir(parents=True)
    copy.write_text("from afar\n")
    assert printed(client, run) == last(client, run, 5) == ["from afar"]
