"""Row 64: Ray's own ports ask for its token, and the dashboard listens for others only where it is closed to them."""

from __future__ import annotations

import httpx2
import pytest
from tests.support.web_platform import WebPlatform

from utp.cluster.local_ray import find_local

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(600)]


def test_rays_ports_ask_for_its_token(platform: WebPlatform) -> None:
    cluster = find_local(platform.settings.home)
    assert cluster is not None
    agent = f"http://127.0.0.1:{platform.ports['agent']}/api/job_agent/jobs/"
    for url in (agent, f"{cluster.dashboard}/api/jobs/", f"{cluster.dashboard}/api/serve/applications/"):
        assert httpx2.get(url).status_code == 401, url
        assert httpx2.get(url, headers={"Authorization": "Bearer wrong"}).status_code in (401, 403), url


def test_address_that_others_reach_is_refused_without_a_secret(platform: WebPlatform) -> None:
    said = platform.refused("up", "--host", "0.0.0.0", *platform.port_options)
    assert "UTP_SECRET" in said
    with platform.http() as client:
        assert client.get("/healthz").status_code == 200  # what was up stays as it was


def test_secrets_of_the_platform_are_in_no_answer(platform: WebPlatform) -> None:
    assert platform.settings.database_url is not None
    with platform.http() as client:
        texts = [client.get(path).text for path in ("/metrics", "/api/v1/meta", "/api/v1/agents", "/openapi.json")]
    for text in texts:
        assert platform.settings.database_url not in text
        assert platform.access_token not in text
