"""A real TensorBoard on real runs, behind the login."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from starlette.testclient import TestClient
from tests.api.conftest import SignIn
from tests.support.digits_runs import DigitsRuns
from tests.support.live_run import LiveRun

from utp.api.errors import TensorBoardsBusy
from utp.api.security.strict_requests import MAX_BODY_BYTES
from utp.api.services import Services
from utp.api.tensorboard.board import FOLDER_PREFIX, Board, remove_orphans
from utp.api.tensorboard.boards import Boards
from utp.api.tensorboard.keys import BoardKey, key_of_runs, read_key
from utp.core.tensorboard import TensorBoardLog
from utp.store.access import Role

A, B = "a" * 32, "b" * 32
NEW_DATA_S = 10.0

HOLDER = """
import sys, time
from pathlib import Path
from utp.api.tensorboard.board import Board, remove_orphans
board = Board("runs-x", {})
print(board._process.pid, board.socket.parent, flush=True)
time.sleep(600)
"""

pytestmark = pytest.mark.process


@pytest.fixture(autouse=True)
def ended(services: Services) -> Iterator[None]:
    yield
    services.close()


def board_of(client: TestClient, **what: Any) -> str:
    answer = client.post("/api/v1/tensorboard", json=what)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def read_until(client: TestClient, url: str, ready: Any, within_s: float = 60.0) -> Any:
    until = time.monotonic() + within_s
    while True:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        if ready(answer.json()):
            return answer.json()
        assert time.monotonic() < until, answer.text
        time.sleep(0.1)


def eventually(what: Any, within_s: float = 30.0) -> None:
    until = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_page_and_curves_of_a_real_run(digits_client: TestClient, digits: DigitsRuns) -> None:
    url = board_of(digits_client, run_ids=[digits.twin, digits.finished])
    page = digits_client.get(url)
    assert page.status_code == 200
    assert "<title>TensorBoard" in page.text
    assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    tags = read_until(digits_client, f"{url}data/plugin/scalars/tags", lambda found: len(found) == 2)
    (name,) = [name for name in tags if "twin" in name]
    assert "val/acc1" in tags[name]
    curve = digits_client.get(f"{url}data/plugin/scalars/scalars", params={"tag": "val/acc1", "run": name})
    assert len(curve.json()) == 2
    form = {"requests": (None, '[{"plugin": "scalars", "tag": "val/acc1"}]')}
    series = digits_client.post(f"{url}data/plugin/timeseries/timeSeries", files=form)
    assert set(series.json()[0]["runToSeries"]) == set(tags), series.text
    assert digits_client.get(f"/api/v1{url.rstrip('/')}").json() == {"url": url, "state": "ready"}
    again = digits_client.get(url.rstrip("/"), follow_redirects=False)
    assert again.headers["location"].endswith(f"{url.split('/')[-2]}/")
    assert digits_client.post(f"{url}data", content=b"x" * (MAX_BODY_BYTES + 1)).status_code == 413


def test_new_numbers_and_new_runs_are_seen_soon(client: TestClient, services: Services, project_id: str) -> None:
    first = LiveRun.running(services.recorder, services.settings, project="fruit")
    log = TensorBoardLog(first.run_dir / "tb")
    log.write_row({"step": 1, "train_loss": 1.0})
    log.close()
    url = board_of(client, project_id=project_id)
    tags = f"{url}data/plugin/scalars/tags"
    read_until(client, tags, lambda found: len(found) == 1)
    second = LiveRun.running(services.recorder, services.settings, project="fruit")
    log = TensorBoardLog(second.run_dir / "tb")
    began = time.monotonic()
    log.write_row({"step": 1, "val_loss": 1.0})
    found = read_until(client, tags, lambda found: len(found) == 2, within_s=NEW_DATA_S)
    assert any("val/loss" in tags_of_run for tags_of_run in found.values())
    assert time.monotonic() - began < NEW_DATA_S
    log.close()


def test_others_runs_are_not_to_be_seen(client: TestClient, services: Services, sign_in: SignIn) -> None:
    run = LiveRun.running(services.recorder, services.settings, project="secret")
    project = services.recorder.set_project("secret")
    member = sign_in("eve", Role.MEMBER)
    for key, what in ((f"runs-{run.id}", {"run_ids": [run.id]}), (f"project-{project}", {"project_id": project})):
        assert member.post("/api/v1/tensorboard", json=what).status_code == 404
        assert member.get(f"/api/v1/tensorboard/{key}").status_code == 404
        assert member.get(f"/tensorboard/{key}/").status_code == 404
    assert "boards" not in services.__dict__, "nothing was started"


@pytest.mark.parametrize(
    "what", [{}, {"run_ids": []}, {"run_ids": [A], "project_id": A}, {"run_ids": [A] * 21}, {"run_ids": ["../x"]}]
)
def test_request_that_names_no_set_is_refused(client: TestClient, what: dict[str, Any]) -> None:
    assert client.post("/api/v1/tensorboard", json=what).status_code == 422


@pytest.mark.parametrize("key", ["runs", "x", f"runs-{B}-{A}", f"project-{A}-{B}", "runs-..%2f..", f"runs-{A}"])
def test_only_keys_of_the_table_lead_anywhere(client: TestClient, services: Services, key: str) -> None:
    assert client.get(f"/tensorboard/{key}/data/environment").status_code == 404
    assert "boards" not in services.__dict__


def test_key_names_its_set_whatever_the_order() -> None:
    assert str(key_of_runs([B, A, B])) == f"runs-{A}-{B}"
    assert read_key(f"runs-{A}-{B}") == key_of_runs([A, B])
    assert read_key(f"project-{A}") == BoardKey(project_id=A)


def test_login_is_not_passed_on(
    client: TestClient, services: Services, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}

    async def forward(_board: Board, asked: Any) -> Any:
        seen.update(asked.headers)
        raise TensorBoardsBusy(1)

    monkeypatch.setattr("utp.api.tensorboard.proxy._forward", forward)
    monkeypatch.setattr(Board, "is_ready", lambda _self: True)
    headers = {"Cookie": "a=1", "X-Forwarded-For": "x", "Origin": "http://localhost:8000"}
    answer = client.get(f"/tensorboard/project-{project_id}/", headers=headers)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"
    assert seen["host"] == "localhost"
    assert not {"cookie", "authorization", "x-forwarded-for", "origin"} & set(seen)


def test_clients_that_leave_before_the_answer_hold_no_place(
    client: TestClient, services: Services, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("utp.api.tensorboard.proxy.MAX_REQUESTS", 2)
    url = board_of(client, project_id=project_id)
    assert client.get(url).status_code == 200
    headers = [(b"host", b"localhost:8000"), (b"authorization", client.headers["Authorization"].encode())]
    place = {"path": url, "raw_path": url.encode(), "query_string": b"", "root_path": ""}
    scope = {"type": "http", "method": "POST", "scheme": "http", "http_version": "1.1", "headers": headers, **place}

    async def leave() -> None:
        words = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            return next(words, {"type": "http.disconnect"})

        async def send(_message: Any) -> None:
            return None

        await client.app({**scope, "asgi": {"version": "3.0", "spec_version": "2.3"}}, receive, send)

    assert client.portal is not None
    for _ in range(3):
        client.portal.call(leave)
    assert services.boards.open(url.split("/")[2], dict).num_requests == 0
    assert client.get(url).status_code == 200


def test_name_that_came_to_mean_another_run_shows_that_one(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    board = Board("one", {"run": tmp_path / "old"})
    try:
        board.link({"run": tmp_path / "new", "run 1234": tmp_path / "old"})
        links = {link.name: link.readlink().name for link in (board.socket.parent / "runs").iterdir()}
        assert links == {"run": "new", "run 1234": "old"}
    finally:
        board.close()


def test_board_that_can_not_be_started_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_options: Any) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    num_descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", refuse)
        with pytest.raises(OSError, match="allocate"):
            Board("one", {})
    assert (list(tmp_path.glob(f"{FOLDER_PREFIX}*")), len(list(Path("/proc/self/fd").iterdir()))) == (
        [],
        num_descriptors,
    )


def test_board_that_died_is_started_again(client: TestClient, services: Services, project_id: str) -> None:
    url = board_of(client, project_id=project_id)
    board = services.boards.open(url.split("/")[2], dict)
    board._process.kill()
    board._process.wait()
    assert client.get(url).status_code == 200


def test_the_one_that_rested_longest_makes_room() -> None:
    boards = Boards(max_boards=2, kept_s=0.0)
    first, second = boards.open("one", dict), boards.open("two", dict)
    boards.open("one", dict)
    boards.open("three", dict)
    assert (first.is_alive(), second.is_alive(), second.socket.parent.exists()) == (True, False, False)
    boards.close()
    assert not first.is_alive()


def test_boards_in_use_make_no_room() -> None:
    boards = Boards(max_boards=1)
    boards.open("one", dict)
    with pytest.raises(TensorBoardsBusy):
        boards.open("two", dict)
    boards.close()


def test_processes_end_with_the_api_also_when_it_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        pid, folder = holder.stdout.readline().split()
        eventually(Path(folder, "socket").exists, within_s=60)
        processes = [psutil.Process(int(pid)), *psutil.Process(int(pid)).children()]
        os.kill(holder.pid, signal.SIGKILL)
    eventually(lambda: not any(process.is_running() for process in processes))
    assert not Path(folder).exists()


def test_folder_of_one_that_was_killed_with_its_api_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None
        pid, folder = holder.stdout.readline().split()
        monkeypatch.setattr("utp.api.tensorboard.board.YOUNG_S", -1.0)
        remove_orphans()
        assert Path(folder).exists()  # held
        os.kill(int(pid), signal.SIGKILL)
        eventually(lambda: psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE)
        holder.kill()
    assert Path(folder).exists()
    boards = Boards()
    boards.open("one", dict)
    assert not Path(folder).exists()
    boards.close()
