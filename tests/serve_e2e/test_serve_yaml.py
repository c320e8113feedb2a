"""`serve deploy deployments/serve.yaml` and `serve run` on a Ray that others started: behind Serve's own proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.support.joined_platform import PROGRAMS, JoinedPlatform
from tests.support.live_platform import wait_until
from websockets.sync.client import connect

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(900)]

PROJECTS = "/api/v1/projects"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JoinedPlatform]:
    with JoinedPlatform(tmp_path_factory.mktemp("yaml"), has_web=True) as platform:
        platform.deploy()
        platform.said = platform.utp("login-link", "--url", platform.url)
        yield platform


def test_dashboard_answers_by_http_and_socket(platform: JoinedPlatform) -> None:
    with platform.http() as client:
        assert client.get("/api/v1/meta").json()["is_cluster_up"]
        assert client.post(PROJECTS, json={"name": "by yaml"}).status_code == 201
    signed_in = {"Authorization": f"Bearer {platform.access_token}"}
    with connect(f"ws://localhost:{platform.web_port}/api/v1/ws", additional_headers=signed_in) as socket:
        socket.send(json.dumps({"op": "ping"}))
        assert json.loads(socket.recv(timeout=30)) == {"type": "pong"}


@pytest.mark.fault
def test_killed_proxy_is_replaced(platform: JoinedPlatform) -> None:  # row 17
    with platform.http() as client:
        before = client.get(PROJECTS).json()
    (victim,) = platform.processes("ProxyActor")
    victim.kill()
    wait_until(lambda: {one.pid for one in platform.processes("ProxyActor")} - {victim.pid}, "a new proxy", 60)
    platform.wait_answer()
    with platform.http() as client:
        assert client.get(PROJECTS).json() == before


def test_serve_run_brings_up_the_same(platform: JoinedPlatform) -> None:
    old = platform.replicas().keys()
    where = ("--address", f"127.0.0.1:{platform.ports['gcs']}", "--name", "utp", "--non-blocking")
    platform.run(str(PROGRAMS / "serve"), "run", *where, "utp.entrypoints.serve:app")
    wait_until(lambda: not old & platform.replicas().keys(), "a new replica", 120)
    with platform.http() as client:
        assert client.get(PROJECTS).status_code == 200
