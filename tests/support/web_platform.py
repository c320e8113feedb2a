"""A platform with its dashboard on a real Ray Serve, signed in to by the link that `utp up` prints."""

from __future__ import annotations

import re
from functools import cached_property

import httpx2
import psutil
from tests.support.live_platform import LivePlatform

TIMEOUT_S = 60.0


class WebPlatform(LivePlatform):
    """Keeps the first words of `utp up`, which hold the link."""

    said = ""

    def utp(self, *words: str) -> str:
        said = super().utp(*words)
        self.said = self.said or said
        return said

    @property
    def url(self) -> str:
        return f"http://localhost:{self.web_port}"

    def sign_in(self, browser: httpx2.Client) -> None:
        """Have a browser use up the printed link."""
        code = re.search(r"/login#code=(\S+)", self.said)
        assert code is not None, self.said
        assert browser.post("/api/v1/auth/login", json={"code": code[1]}).status_code == 200

    @cached_property
    def access_token(self) -> str:
        """A token of the first admin, for whom the printed link is used up."""
        with httpx2.Client(base_url=self.url, headers={"Origin": self.url}, timeout=TIMEOUT_S) as browser:
            self.sign_in(browser)
            made = browser.post("/api/v1/tokens", json={"name": "test", "scope": "admin"})
            assert made.status_code == 201, made.text
            return str(made.json()["token"])

    def http(self, timeout_s: float = TIMEOUT_S) -> httpx2.Client:
        """Return a client that is signed in by a token."""
        headers = {"Authorization": f"Bearer {self.access_token}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=timeout_s)

    def replicas(self) -> dict[int, psutil.Process]:
        """Return the dashboard's processes by their ids."""
        return {process.pid: process for process in self.processes("ServeReplica")}
