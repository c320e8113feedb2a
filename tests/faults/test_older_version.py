"""Row 25: a version of utp from before the store's newest revision, and this one, on the same store at once."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.live_platform import REPOSITORY, wait_until
from websockets.sync.client import connect

from utp.store.database import REVISION

pytestmark = [pytest.mark.fault, pytest.mark.process, pytest.mark.slow]

RUNS = "/api/v1/runs"
CONFIG = {"root": "fruit", "model_flavour": "builtin/vit-tiny", "load_pretrained": False}
SOURCE = "platform/utp/store/database.py"
NUM_LINES = 200


@dataclass
class Server:
    """One version of the API, by the folder of its code."""

    code: Path
    environment: dict[str, str]
    said: str = ""
    port: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def running(self, log: Path) -> Iterator[None]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", "utp.entrypoints.api", "--port", str(self.port)]
        environment = self.environment | {"PYTHONPATH": str(self.code)}
        with log.open("w") as file, subprocess.Popen(command, env=environment, stdout=file, stderr=file) as process:
            try:
                wait_until(lambda: process.poll() is not None or is_answering(self.port), "the API", 120)
                yield
            finally:
                process.terminate()
        self.said = log.read_text()

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=f"http://localhost:{self.port}", headers=self.headers, timeout=60)


@pytest.fixture(scope="module")
def commit() -> str:
    """The last commit whose store is of the revision before."""
    found = git("log", "--format=%H", f'-SREVISION = "{REVISION}"', "--", SOURCE).split()
    if not found or not git("ls-tree", "--name-only", f"{found[-1]}^", SOURCE):  # as in a clone without its history
        pytest.skip("the history that holds an older version is not here")
    return f"{found[-1]}^"


@pytest.fixture
def versions(commit: str, tmp_path: Path) -> tuple[Server, Server]:
    """The older one and this one."""
    archive = subprocess.run(["git", "archive", commit, "platform"], cwd=REPOSITORY, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as code:
        code.extraction_filter = getattr(tarfile, "data_filter", None)  # `filter=` came with 3.11.4
        code.extractall(tmp_path / "old")
    names = ("DATASETS_DIR", "SHARED_LOGS_DIR", "UTP_HOME", "UTP_CACHE_DIR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "UTP_"))}
    environment = kept | {name: str(tmp_path / name) for name in names}
    return Server(tmp_path / "old" / "platform", environment), Server(REPOSITORY / "platform", environment)


def test_old_and_new_serve_one_store_and_the_old_one_does_not_start_again(
    versions: tuple[Server, Server], tmp_path: Path
) -> None:
    old, new = versions
    with old.running(tmp_path / "old.log"):
        project_id = sign_in(old, (tmp_path / "old.log").read_text())
        new.headers = old.headers
        run = queue(old, project_id)
        log = Path(run["run_dir"]) / "attempts" / "1" / "rank0.log"
        log.parent.mkdir(parents=True)
        log.write_bytes(b"line\n" * NUM_LINES)
        heard = lines(old, run["id"], from_line=0, until=NUM_LINES // 2)
        with new.running(tmp_path / "new.log"):
            heard += lines(new, run["id"], from_line=len(heard), until=NUM_LINES)  # as a page that comes back
            assert heard == list(range(NUM_LINES))
            ids = {run["id"], *(queue(server, project_id)["id"] for server in (new, old, new))}
            for server in (old, new):
                with server.client() as client:
                    assert {one["id"] for one in client.get(RUNS).json()["items"]} == ids
                    assert {client.get(f"{RUNS}/{run_id}").status_code for run_id in ids} == {200}
            with old.client() as client:
                assert client.get("/readyz").status_code == 503  # whoever balances sends nobody new there
    with old.running(tmp_path / "again.log"):
        assert not is_answering(old.port)
    said = " ".join(re.sub(r"[│╭╮╰╯─]", " ", old.said).split())
    assert f"is of revision {REVISION}" in said
    assert "install the newer utp again" in said


def test_page_of_the_older_version_finds_all_that_it_reads(app_document: dict[str, Any], commit: str) -> None:
    """An open page goes on with the code that it has: no operation and no field of an answer may go."""
    old = json.loads(git("show", f"{commit}:web_ui/openapi.json"))
    for path, operations in old["paths"].items():
        assert operations.keys() <= app_document["paths"][path].keys(), path
        for method, operation in operations.items():
            new = app_document["paths"][path][method]
            assert operation["responses"].keys() <= new["responses"].keys(), path
            asked = {one["name"] for one in operation.get("parameters", [])}
            assert {one["name"] for one in new.get("parameters", []) if one.get("required")} <= asked, path
    for name, schema in old["components"]["schemas"].items():
        assert (
            schema.get("properties", {}).keys()
            <= app_document["components"]["schemas"][name].get("properties", {}).keys()
        )


@pytest.fixture
def app_document(tmp_path: Path) -> dict[str, Any]:
    printed = subprocess.run(
        [sys.executable, "-m", "utp.entrypoints.openapi"], capture_output=True, check=True, cwd=tmp_path
    )
    return dict(json.loads(printed.stdout))


def git(*words: str) -> str:
    if shutil.which("git") is None:
        return ""
    done = subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def is_answering(port: int) -> bool:
    try:
        return httpx2.get(f"http://localhost:{port}/healthz", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


def sign_in(server: Server, said: str) -> str:
    """Take a token by the printed link; return a new project."""
    code = re.search(r"/login#code=(\S+)", said)
    assert code is not None, said
    url = f"http://localhost:{server.port}"
    with httpx2.Client(base_url=url, headers={"Origin": url}, timeout=60) as browser:
        assert browser.post("/api/v1/auth/login", json={"code": code[1]}).status_code == 200
        token = browser.post("/api/v1/tokens", json={"name": "t", "scope": "admin"}).json()["token"]
        server.headers = {"Authorization": f"Bearer {token}"}
        return str(browser.post("/api/v1/projects", json={"name": "fruit"}).json()["id"])


def queue(server: Server, project_id: str) -> dict[str, Any]:
    with server.client() as client:
        made = client.post(RUNS, json={"project_id": project_id, "config": CONFIG})
        assert made.status_code == 201, made.text
        return dict(client.get(f"{RUNS}/{made.json()['id']}").json())


def lines(server: Server, run_id: str, *, from_line: int, until: int) -> list[int]:
    heard: list[int] = []
    with connect(f"ws://localhost:{server.port}/api/v1/ws", additional_headers=server.headers) as connection:
        asked = {"topic": "log", "run_id": run_id, "attempt": 1, "stream": "rank0.log", "from_line": from_line}
        connection.send(json.dumps({"op": "sub", "id": 1, **asked}))
        while not heard or heard[-1] + 1 < until:
            message = json.loads(connection.recv(timeout=30))
            heard += [line["line"] for line in message.get("lines", ()) if line["line"] < until]
    return heard
