"""`utp run` with UTP_SERVER: the commands that work on the store work over the API, with the same words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from tests.api.conftest import ADMIN_ID, make_token
from tests.support.api_server import serving
from typer.testing import CliRunner

from utp.api.services import Services
from utp.entrypoints.cli import app as commands
from utp.settings import get_settings
from utp.store.access import Scope
from utp.store.recorder import Recorder
from utp.store.states import Outcome

CONFIG = "root: fruit\nmodel_flavour: builtin/vit-tiny\nload_pretrained: false\n"
Utp = Callable[..., str]


@pytest.fixture
def utp(app: FastAPI, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Utp]:
    """Return a function that runs a command of somebody whose own machine has no store."""
    (tmp_path / "mine.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UTP_HOME", str(tmp_path / "nothing"))
    monkeypatch.setenv("UTP_TOKEN", make_token(services, ADMIN_ID, Scope.WRITE))
    with serving(app) as address:
        monkeypatch.setenv("UTP_SERVER", f"http://{address}")
        get_settings.cache_clear()

        def run(*words: str, code: int = 0) -> str:
            result = CliRunner().invoke(commands, ["run", *words])
            assert result.exit_code == code, result.output
            return result.stdout if code == 0 else result.output

        yield run
    get_settings.cache_clear()


def test_run_is_queued_listed_shown_stopped_and_resumed(utp: Utp, recorder: Recorder) -> None:
    said = utp("submit", "mine.yaml", "--priority", "3", "--set", "epochs=2", "--project", "far")
    assert "its page: http://127.0.0.1:" in said
    (row,) = json.loads(utp("list", "--json"))
    assert (row["state"], row["priority"], row["project"], row["owner"]) == ("queued", 3, "far", "admin")
    detail = json.loads(utp("show", row["name"], "--json"))
    assert detail["config"]["epochs"] == 2
    assert row["name"] in utp("list", "--project", "far")
    assert utp("list", "--project", "elsewhere") == ""
    recorder.begin_submission(row["id"])
    recorder.mark_submitted(row["id"], 1, placement={})
    recorder.mark_running(row["id"], 1, host="a", pid=1, start_step=0, total_steps=9, epochs=1)
    log = Path(detail["run_dir"]) / "attempts" / "1" / "rank0.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree\n")
    assert utp("stop", row["id"]) == f"{row['id']} is stopping\n"
    recorder.end_attempt(row["id"], 1, outcome=Outcome.STOPPED)
    assert utp("logs", row["id"]) == "one\ntwo\nthree\n"
    assert utp("logs", row["id"], "--tail", "2") == "two\nthree\n"
    utp("logs", "-f", row["id"], code=130)
    assert utp("resume", row["name"]) == f"{row['name']} is queued\n"
    utp("submit", "mine.yaml", "--set", "lr=0.5", "--project", "far")
    other = json.loads(utp("list", "--json", "--limit", "1"))[0]
    compared = json.loads(utp("compare", row["id"], other["id"], "--json"))
    assert compared["config"] == {"epochs": [2, 10], "lr": [3e-4, 0.5]}


def test_what_the_server_refuses_is_said_in_its_words(utp: Utp) -> None:
    assert "does not exist" in utp("show", "nothing-like-it", code=2)
    assert "lr" in utp("submit", "mine.yaml", "--set", "lr=-1", code=2)


def test_commands_on_files_and_a_missing_token_are_refused(utp: Utp, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "on the machine of the store" in utp("export", "any", code=2)
    monkeypatch.delenv("UTP_TOKEN")
    get_settings.cache_clear()
    assert "UTP_TOKEN" in utp("list", code=2)
