"""`WarmKeeper`: has a warm server run on this machine; a new one when it dies, or when the code of utp changes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from utp.cluster.warm_protocol import read_code_version, socket_path

LOG_FILE = "warm.log"
FIRST_PAUSE_S = 5.0
MAX_PAUSE_S = 300.0
"""Between two starts of a server that keeps dying; an import of torch each time is worth some patience."""
STABLE_AFTER_S = 60.0
STOP_TIMEOUT_S = 5.0


class WarmKeeper:
    """Somebody calls `step` every few seconds, always from one thread: the server ends with the thread that started it.

    Args:
        home: as `Settings.home`, where the jobs look for the socket.
        command: of the server.
        read_version: of the code as it is now.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        home: Path,
        *,
        command: Sequence[str] = (sys.executable, "-m", "utp.entrypoints.warm"),
        read_version: Callable[[], str] = read_code_version,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home = home
        self._command = command
        self._read_version = read_version
        self._clock = clock
        self._server: subprocess.Popen[bytes] | None = None
        self._version = ""
        self._started_at = float("-inf")
        self._seen_at = self._started_at
        self._pause_s = FIRST_PAUSE_S

    @property
    def pid(self) -> int | None:
        """Of the server, alive or not; none before the first."""
        return self._server.pid if self._server else None

    def step(self) -> None:
        """Start the server where there is none, or none with this code. Raises `OSError` where it can't be started."""
        version = self._read_version()
        if self._server is not None and self._server.poll() is None:
            self._seen_at = self._clock()
            if version == self._version:
                return
            self.close()  # what it has forked goes on
        elif self._clock() - self._started_at < self._pause_s:
            return
        self._start(version)

    def close(self) -> None:
        """End the server; jobs that train in its children go on."""
        if self._server is None:
            return
        self._server.terminate()
        try:
            self._server.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def _start(self, version: str) -> None:
        is_first = self._server is None
        has_lived = self._seen_at - self._started_at > STABLE_AFTER_S
        self._pause_s = FIRST_PAUSE_S if is_first or has_lived else min(MAX_PAUSE_S, 2 * self._pause_s)
        path = socket_path(self._home)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.with_name(LOG_FILE).open("wb") as log:
            self._server = subprocess.Popen(
                [*self._command, "--end-with", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "UTP_HOME": str(self._home)},
                start_new_session=True,  # Ray ends the process group of a worker that dies, which jobs train in
            )
        self._version = version
        self._started_at = self._seen_at = self._clock()
