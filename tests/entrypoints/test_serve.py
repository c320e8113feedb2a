"""The dashboard as `utp up` brings it up, on a real Ray Serve."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest
from tests.support.web_platform import WebPlatform
from websockets.sync.client import connect

from utp.cluster.local_ray import find_local


class IdlePlatform(WebPlatform):
    """One that trains nothing."""

    def wait_warm(self) -> None:
        """Wait for nothing."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebPlatform]:
    with IdlePlatform(tmp_path_factory.mktemp("serve"), has_web=True) as platform:
        yield platform


@pytest.mark.ray
@pytest.mark.slow
def test_dashboard_over_serve(platform: WebPlatform) -> None:
    url = platform.url
    assert url in platform.said
    code = re.search(r"/login#code=(\S+)", platform.said)
    assert code is not None, platform.said
    with httpx2.Client(base_url=url, headers={"Origin": url}, timeout=60) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/api/v1/projects").status_code == 401
        assert client.post("/api/v1/auth/login", json={"code": code[1]}).status_code == 200
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


def reserved_cpus(platform: WebPlatform) -> float:
    """Return the cores that Ray counts as taken, by Serve's controller, proxy and replicas too."""
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
