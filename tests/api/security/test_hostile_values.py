"""Paths that lead outside, shell and SQL in names, requests that bend the proxy, secrets that nobody may see."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.api.conftest import ADMIN_ID, ORIGIN, make_token
from tests.api.security.test_every_route import walk
from tests.support.api_server import serving

from utp.api.app import build_app
from utp.api.services import Services
from utp.config.paths import dataset_root
from utp.settings import Settings
from utp.store.access import Scope
from utp.store.repositories.project_overviews import ProjectOverviews

RUNS = "/api/v1/runs"
CONFIG = {"root": "fruit", "model_flavour": "builtin/vit-tiny", "load_pretrained": False}
OUTSIDE = (
    "../outside",
    "a/../../outside",
    "..%2foutside",
    "%2e%2e/outside",
    "%252e%252e%252foutside",
    "/etc",
    "//etc",
    "~/outside",
    "..\\outside",
    "\\\\host\\share",
    "a\0b",
    "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}/outside",
    "a" * 5000,
)
SHELL = ("$(touch {canary})", "`touch {canary}`", "; touch {canary};", "' ; touch {canary} ; '", "a\ntouch {canary}\n")
SQL = ("' OR 1=1 --", "'; DROP TABLE runs; --", '" OR ""="', "%", "_", "1) UNION SELECT hash FROM sessions --", "\\")
CANARY = "canary-that-sings-nowhere-0123456789abcdef"


def files_of(place: Path) -> set[Path]:
    return {path for path in place.rglob("*") if not path.name.startswith("utp.db")}


@pytest.mark.parametrize("value", OUTSIDE)
@pytest.mark.parametrize("field", ["root", "tb_root", "ckpt_dir", "run_name", "model_suffix"])
def test_no_path_of_a_request_leaves_its_mount(
    client: TestClient, project_id: str, settings: Settings, tmp_path: Path, field: str, value: str
) -> None:  # row 51
    before = files_of(tmp_path)
    answer = client.post(RUNS, json={"project_id": project_id, "config": {**CONFIG, field: value}})
    assert answer.status_code in (201, 400, 422), answer.text
    mounts = (settings.shared_logs_dir, settings.home)
    strays = [path for path in files_of(tmp_path) - before if not any(path.is_relative_to(str(one)) for one in mounts)]
    assert strays == []
    if answer.status_code == 201:
        detail = client.get(f"{RUNS}/{answer.json()['id']}").json()
        for directory in (detail["run_dir"], detail["checkpoint_dir"]):
            assert Path(directory).resolve().is_relative_to(str(settings.shared_logs_dir))
        assert dataset_root(detail["config"]["root"], settings).is_relative_to(str(settings.datasets_dir))


@pytest.mark.parametrize("text", SHELL)
def test_command_of_a_run_runs_nothing_that_its_names_hold(
    client: TestClient, project_id: str, tmp_path: Path, text: str
) -> None:  # row 55
    canary = tmp_path / "canary"
    config = {**CONFIG, "run_name": text.format(canary=canary), "model_suffix": text.format(canary="c")}
    answer = client.post(RUNS, json={"project_id": project_id, "config": config})
    assert answer.status_code in (201, 422), answer.text
    if answer.status_code == 201:
        command = client.get(f"{RUNS}/{answer.json()['id']}").json()["command"]
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "utp").write_text("#!/bin/sh\n")
        (tmp_path / "bin" / "utp").chmod(0o755)
        path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(command, shell=True, check=True, cwd=tmp_path, env={"PATH": path})
    assert not canary.exists()
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("text", SQL)
def test_sql_in_filters_is_text(client: TestClient, project_id: str, text: str) -> None:  # row 57
    client.post(RUNS, json={"project_id": project_id, "config": CONFIG, "tags": ["plain"]})
    made = client.post(RUNS, json={"project_id": project_id, "config": CONFIG, "tags": [text]}).json()
    assert [run["id"] for run in client.get(RUNS, params={"tag": text}).json()["items"]] == [made["id"]]
    assert client.get(RUNS, params={"owner": text}).json()["items"] == []
    found = client.get(RUNS, params={"q": text}).json()["items"]
    assert [run for run in found if text not in run["name"] and text not in run["tags"]] == []
    assert client.get(RUNS, params={"sort": text}).status_code == 422
    assert client.get(RUNS, params={"cursor": text}).status_code == 422
    assert client.get("/api/v1/audit", params={"q": text}).status_code == 200
    assert client.get("/api/v1/projects").json()["items"]


@pytest.mark.process
def test_proxy_of_tensorboard_goes_nowhere_but_to_its_boards(
    app: FastAPI, services: Services, project_id: str
) -> None:  # row 62
    key = f"project-{project_id}"
    bearer = f"Authorization: Bearer {make_token(services, ADMIN_ID, Scope.ADMIN)}"
    with socket.create_server(("127.0.0.1", 0)) as bait, serving(app, waits=False) as address:
        bait.settimeout(0.2)
        port = bait.getsockname()[1]
        upgrade = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: " + "A" * 22 + "==",
        ]
        for target, extra in (
            (f"http://127.0.0.1:{port}/tensorboard/{key}x/", []),
            (f"/tensorboard/{key}@127.0.0.1:{port}/", []),
            (f"/tensorboard/http://127.0.0.1:{port}/", []),
            (f"/tensorboard/..%2f127.0.0.1:{port}/", []),
            (f"/tensorboard/{key}/", upgrade),
            (f"/tensorboard/127.0.0.1:{port}/", upgrade),
        ):
            answer = ask(address, f"GET {target} HTTP/1.1", f"Host: {address}", bearer, *extra)
            assert 400 <= int(answer.split()[1]) < 500, (target, answer)
        wrong = ask(address, f"GET /tensorboard/{key}/ HTTP/1.1", f"Host: 127.0.0.1:{port}@{address}", bearer)
        assert wrong.split()[1] == b"400"
        with pytest.raises(TimeoutError):
            bait.accept()
    services.close()


def ask(address: str, *lines: str) -> bytes:
    """Send a request as it stands and return the beginning of the answer."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection.recv(4096)


def test_secrets_of_the_server_are_in_no_answer_and_no_log(
    services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:  # row 63
    def fail(*_args: object, **_options: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setenv("HF_TOKEN", CANARY)
    monkeypatch.setenv("RAY_AUTH_TOKEN", CANARY)
    settings = services.settings.model_copy(update={"secret": CANARY, "token": CANARY, "database_url": f"x://{CANARY}"})
    app = build_app(replace(services, settings=settings))
    token = make_token(replace(services, settings=settings), ADMIN_ID, Scope.ADMIN)
    headers = {"Authorization": f"Bearer {token}", "Cookie": "ray-authentication-token=" + CANARY}
    with TestClient(app, base_url=ORIGIN, headers=headers, raise_server_exceptions=False) as client:
        addresses = [path for method, path in walk(app) if method == "GET"]
        answers = [client.get(path) for path in [*addresses, "/docs", "/openapi.json", "/metrics"]]
        monkeypatch.setattr(ProjectOverviews, "list_projects", fail)
        answers.append(client.get("/api/v1/projects"))
    assert answers[-1].status_code == 500
    for answer in answers:
        said = answer.text + str(answer.headers)
        assert CANARY not in said
        assert token not in said
    assert CANARY not in caplog.text
    assert token not in caplog.text
    assert CANARY not in repr(settings)
