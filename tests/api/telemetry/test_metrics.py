"""`/metrics`: what a dashboard of the operators needs, with labels that stay few."""

from __future__ import annotations

from starlette.testclient import TestClient
from tests.support.live_run import LiveRun

from utp.settings import Settings
from utp.store.recorder import Recorder


def test_runs_queue_and_requests_are_counted(client: TestClient, recorder: Recorder, settings: Settings) -> None:
    LiveRun.queued(recorder, settings)
    LiveRun.running(recorder, settings)
    for number in range(3):
        client.get(f"/api/v1/projects/{number:032x}")
        client.get(f"/nothing/{number}")
    text = client.get("/metrics").text
    assert 'utp_runs{state="running"} 1.0' in text
    assert "utp_queue_length 1.0" in text
    assert "utp_sockets 0.0" in text
    routes = {line.partition('route="')[2].partition('"')[0] for line in text.splitlines() if "_seconds_count" in line}
    assert routes == {"/projects/{project_id}", "other"}


def test_strangers_are_told_nothing(stranger: TestClient) -> None:
    assert stranger.get("/metrics").status_code == 401
