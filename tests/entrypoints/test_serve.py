"""The dashboard as `utp up` brings it up, on a real Ray Serve."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from tests.support.live_platform import wait_until
from tests.support.web_platform import WebPlatform
from websockets.sync.client import ClientConnection, connect

from utp.cluster.local_ray import find_local


class IdlePlatform(WebPlatform):
    """One that trains nothing."""

    def wait_warm(self) -> None:
        """Wait for nothing."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebPlatform]:
    with IdlePlatform(tmp_path_factory.mktemp("serve"), has_web=True) as platform:
        yield platform


@pytest.fixture
def token(platform: WebPlatform) -> str:
    """A token by a link of its own."""
    if "access_token" not in vars(platform):
        platform.said = platform.utp("login-link")
    return platform.access_token


@pytest.mark.ray
@pytest.mark.slow
def test_dashboard_over_serve(platform: WebPlatform) -> None:
    url = platform.url
    assert url in platform.said
    with httpx2.Client(base_url=url, headers={"Origin": url}, timeout=60) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/api/v1/projects").status_code == 401
        platform.sign_in(client)
        assert client.get("/api/v1/meta").json()["is_cluster_up"]
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        with ExitStack() as stack:
            for _ in range(20):
                socket = connect(
                    f"ws://localhost:{platform.web_port}/api/v1/ws",
                    additional_headers={"Cookie": cookie, "Origin": url},
                    subprotocols=["utp.v1"],  # type: ignore[list-item]
                )
                stack.enter_context(socket)
                socket.send(json.dumps({"op": "ping"}))
                assert json.loads(socket.recv(timeout=30)) == {"type": "pong"}
            began = time.monotonic()
            assert client.get("/api/v1/projects").status_code == 200
            assert time.monotonic() - began < 10
    status = json.loads(platform.utp("status", "--json"))
    assert status["web"] == url
    assert reserved_cpus(platform) == 0


@pytest.mark.ray
@pytest.mark.slow
def test_sockets_hear_a_goodbye_of_a_replica_that_is_told_to_end(platform: WebPlatform, token: str) -> None:
    ((pid, process),) = platform.replicas().items()
    with open_socket(platform, token) as socket:
        process.terminate()
        assert json.loads(socket.recv(timeout=10))["type"] == "goodbye"
    wait_until(lambda: platform.replicas().keys() - {pid} and is_answering(platform), "a new replica", 60)


@pytest.mark.ray
@pytest.mark.slow
def test_port_that_is_taken_is_named_before_anything_starts(platform: WebPlatform, tmp_path: Path) -> None:
    other = {"UTP_HOME": str(tmp_path / "home")}
    said = platform.refused("up", "--port", str(platform.web_port), environment=other)
    assert f"--port: {platform.web_port} on 127.0.0.1 can't be used" in said


@pytest.mark.ray
@pytest.mark.slow
def test_sockets_hear_a_goodbye_when_the_platform_goes_down(platform: WebPlatform, token: str) -> None:
    """The last one here."""
    with open_socket(platform, token) as socket:
        platform.utp("down")
        assert json.loads(socket.recv(timeout=10))["type"] == "goodbye"
    assert not is_answering(platform)


def open_socket(platform: WebPlatform, token: str) -> ClientConnection:
    signed_in = {"Authorization": f"Bearer {token}"}
    return connect(f"ws://localhost:{platform.web_port}/api/v1/ws", additional_headers=signed_in)


def is_answering(platform: WebPlatform) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return httpx2.get(f"{platform.url}/healthz", timeout=5).status_code == 200
    return False


def reserved_cpus(platform: WebPlatform) -> float:
    """Return the cores that Ray counts as taken, by Serve's controller and replicas too."""
    cluster = find_local(platform.settings.home)
    assert cluster is not None
    program = (
        "import json, ray; ray.init(address='auto', log_to_driver=False); "
        "print(json.dumps([ray.cluster_resources()['CPU'], ray.available_resources()['CPU']]))"
    )
    environment = {**platform.token, "RAY_ADDRESS": cluster.address}
    words = platform.run(sys.executable, "-c", program, environment=environment)
    total, free = json.loads(words.strip().splitlines()[-1])
    return float(total - free)
