"""The Ray that the dispatcher's tests play answers as the real one does."""

from __future__ import annotations

import json
import sys

import pytest
from tests.support.fake_jobs import FakeJobClient
from tests.support.job_script import IDS, play
from tests.support.live_platform import LivePlatform

from utp.cluster.job_client import JobStatus

pytestmark = [pytest.mark.ray, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1800)]


class FakeRay:
    def __init__(self) -> None:
        self.jobs = FakeJobClient()

    def reach(self, name: str, status: JobStatus) -> None:
        self.jobs.run(IDS[name])
        if status is JobStatus.STOPPED:
            self.jobs.obey()
        elif status.is_over:
            self.jobs.end(IDS[name], status, "exit code 3" if status is JobStatus.FAILED else "")
        report = self.jobs.report(IDS[name])
        assert report is not None
        assert report.status is status


def test_script_has_the_same_trace_on_the_fake_and_on_real_ray(platform: LivePlatform) -> None:
    trace = platform.folder / "trace.json"
    command = (sys.executable, "-m", "tests.support.job_script", platform.cluster.dashboard, str(trace))
    platform.run(*command, environment=platform.token)
    assert json.loads(trace.read_text()) == json.loads(json.dumps(play(FakeRay())))
