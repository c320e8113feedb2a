"""A Ray that others started, the platform's actors on it, and its dashboard by deployments/serve.yaml."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import httpx2
import psutil
from tests.support.live_platform import NUM_CPUS, REPOSITORY, wait_until
from tests.support.web_platform import WebPlatform

PROGRAMS = Path(sys.executable).parent
YAML = REPOSITORY / "deployments" / "serve.yaml"


class JoinedPlatform(WebPlatform):
    """Ray has the platform's settings in its environment, as docs/cluster.md says."""

    def up(self) -> None:
        token = self.folder / "token"
        token.touch(0o600)
        token.write_text("0123456789abcdef" * 4)
        self._temp_dir = tempfile.mkdtemp(prefix="utp-ray-", dir="/tmp")
        self.environment |= {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "3",
            "PATH": os.pathsep.join([str(PROGRAMS), os.environ["PATH"]]),
        }
        ports = self.ports
        self._ray = psutil.Popen(
            [
                str(PROGRAMS / "ray"), "start", "--head", "--block", "--disable-usage-stats", f"--num-cpus={NUM_CPUS}",
                "--node-ip-address=127.0.0.1", f"--port={ports['gcs']}", f"--dashboard-port={ports['dashboard']}",
                f"--ray-client-server-port={ports['client']}", f"--dashboard-agent-listen-port={ports['agent']}",
                f"--temp-dir={self._temp_dir}", "--object-store-memory=200000000",
            ],
            env=self.environment, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(self._is_ray_up, "Ray", 180)
        self.environment["RAY_ADDRESS"] = f"127.0.0.1:{ports['gcs']}"
        self.utp("up")

    def deploy(self) -> None:
        """Deploy the dashboard as it is described, on a port of this test."""
        described = self.folder / "serve.yaml"
        described.write_text(YAML.read_text().replace("port: 8000", f"port: {self.web_port}"))
        self.run(str(PROGRAMS / "serve"), "deploy", "--address", self._dashboard, str(described))
        self.wait_answer()

    def wait_answer(self) -> None:
        wait_until(self._is_answering, "the dashboard", 180)

    def wait_warm(self) -> None:
        """Wait for nothing: it trains nothing."""

    def down(self) -> None:
        processes = [*self.root.children(recursive=True), self._ray]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=20)
        shutil.rmtree(self._temp_dir, ignore_errors=True)

    @property
    def root(self) -> psutil.Process:
        return self._ray

    @property
    def token(self) -> Mapping[str, str]:
        return {}  # all have it

    @property
    def _dashboard(self) -> str:
        return f"http://127.0.0.1:{self.ports['dashboard']}"

    def _is_ray_up(self) -> bool:
        with contextlib.suppress(httpx2.HTTPError):
            return httpx2.get(f"{self._dashboard}/api/jobs/", timeout=5).status_code == 401
        return False

    def _is_answering(self) -> bool:
        with contextlib.suppress(httpx2.HTTPError):
            return httpx2.get(f"{self.url}/healthz", timeout=5).status_code == 200
        return False
