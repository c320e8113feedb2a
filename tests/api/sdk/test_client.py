"""The SDK against the real API on a real server: queue, follow over a cut, curves, downloads, the API's own words."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from tests.api.conftest import ADMIN_ID, make_token
from tests.support.api_server import serving
from tests.support.live_run import LiveRun

from utp.api.events.sources import Sources
from utp.api.services import Services
from utp.client import ApiError, Client, ServerUnreachable
from utp.config.train import TrainConfig
from utp.settings import Settings
from utp.store.access import Scope
from utp.store.errors import RunNotFound, StoreBusy, StoreUnavailable
from utp.store.recorder import Recorder
from utp.store.states import RunState

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False, epochs=1)


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    with serving(app) as address:
        yield address


@pytest.fixture
def client(address: str, services: Services) -> Iterator[Client]:
    with Client(f"http://{address}", make_token(services, ADMIN_ID, Scope.WRITE), patience_s=1.0) as client:
        yield client


def test_run_is_queued_in_a_project_of_its_name_and_found_again(client: Client) -> None:
    run = client.runs.submit(CONFIG, project="pets", tags=["sdk"])
    assert run.state is RunState.QUEUED
    assert client.runs.get(run.name).id == run.id == client.runs.get(run.id[:12]).id
    assert [one.id for one in client.runs.list()] == [run.id]
    assert run.detail().config["model_flavour"] == CONFIG.model_flavour
    assert client.runs.submit(CONFIG, project="pets").run.project_id == run.run.project_id
    assert run.stop().state is RunState.STOPPED
    assert run.update(tags=["kept"]).tags == ["kept"]
    with pytest.raises(RunNotFound):
        client.runs.get("nothing")


def test_refusal_carries_the_servers_problem_with_its_fields(client: Client) -> None:
    with pytest.raises(ApiError, match="lr") as caught:
        client.runs.submit({"root": "fruit", "model_flavour": "builtin/vit-tiny", "lr": -1})
    assert caught.value.status == 422
    assert [error.field for error in caught.value.problem.errors or ()] == ["lr"]


def test_wrong_token_and_absent_server_are_told_apart(address: str) -> None:
    with Client(f"http://{address}", "utp_wrong") as client, pytest.raises(ApiError) as caught:
        client.meta()
    assert caught.value.status == 401
    with Client("http://127.0.0.1:9", "utp_x", patience_s=0.1) as client, pytest.raises(ServerUnreachable, match=":9"):
        client.meta()


def test_log_is_followed_to_the_end_of_the_run(client: Client, recorder: Recorder, settings: Settings) -> None:
    run = LiveRun.running(recorder, settings)
    run.log(b"before\n")

    def go_on() -> None:
        for number in range(20):
            run.log(b"line %d\n" % number)
            time.sleep(0.02)
        run.end_attempt()

    thread = threading.Thread(target=go_on)
    heard: list[str] = []

    def hear(line: str) -> None:
        if not heard:
            thread.start()
        heard.append(line)

    ended = client.runs.get(run.id).follow(hear)
    thread.join()
    assert heard == ["before", *(f"line {number}" for number in range(20))]
    assert ended.state is RunState.SUCCEEDED
    assert client.runs.get(run.id).wait(1.0).state is RunState.SUCCEEDED


def test_following_a_log_outlasts_a_database_that_is_away_when_it_begins(
    client: Client, recorder: Recorder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = LiveRun.running(recorder, settings)
    run.log(b"a line\n")
    monkeypatch.setattr("utp.client.log_following.BACKOFF_S", (0.01,))
    newest_seq, faults = Sources.newest_seq, [StoreUnavailable("db", "away"), StoreBusy("db", "locked")]

    def fail_twice(sources: Sources) -> int:
        if faults:
            raise faults.pop()
        return newest_seq(sources)

    monkeypatch.setattr(Sources, "newest_seq", fail_twice)
    lines = client.runs.get(run.id).lines(is_followed=True)
    assert next(lines) == "a line"
    run.end_attempt()
    assert (list(lines), faults) == ([], [])


def test_curves_are_a_table_with_a_row_a_step(client: Client, recorder: Recorder, settings: Settings) -> None:
    run = LiveRun.running(recorder, settings)
    run.rows(
        {"kind": "train", "step": 10, "epoch": 1, "train_loss": 2.0},
        {"kind": "train", "step": 20, "epoch": 1, "train_loss": 1.0},
    )
    rows = client.metrics.rows(run.id, ["train_loss"])
    assert [(row["step"], row["train_loss"]) for row in rows] == [(10, 2.0), (20, 1.0)]
    assert len(client.runs.get(run.id).metrics("train_loss")) == 2


def test_commands_on_this_machine_import_none_of_it(tmp_path: Path) -> None:
    program = "import sys, utp.client.local_client; print(*{'fastapi', 'httpx2', 'websockets'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert said.stdout.strip() == ""
