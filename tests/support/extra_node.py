"""A second machine, as far as Ray can tell: another raylet on this one, joined as `ray start --address` does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from tests.support.live_platform import NUM_CPUS, LivePlatform, wait_until


class ExtraNode:
    """A context: the platform knows of the node inside; every process of it is gone after.

    Args:
        platform: that it joins.
        num_cpus: that Ray counts.
        num_gpus: logical ones.
    """

    def __init__(self, platform: LivePlatform, *, num_cpus: int = NUM_CPUS, num_gpus: int = 0) -> None:
        self._platform = platform
        self._resources = (f"--num-cpus={num_cpus}", f"--num-gpus={num_gpus}")
        self._processes: list[psutil.Process] = []

    def __enter__(self) -> Self:
        known = self._platform.agents()
        ray = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats")
        where = (f"--address={self._platform.cluster.address}", "--node-ip-address=127.0.0.1")
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        with (self._platform.folder / "extra-node.log").open("ab") as log:
            self._node = subprocess.Popen(
                [*ray, *where, *self._resources, "--object-store-memory=200000000"],
                env={**self._platform.environment, **self._platform.token, "PATH": path},
                stdout=log,
                stderr=log,
            )
        self._processes = [psutil.Process(self._node.pid)]
        try:
            wait_until(lambda: self._platform.agents() - known, "a second node")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def kill_raylet(self) -> None:
        """Have the node die; what ran on it dies with its raylet."""
        self._note_processes()
        (raylet,) = (one for one in self._processes if one.is_running() and one.name() == "raylet")
        raylet.kill()

    def close(self) -> None:
        """End every process of the node."""
        self._note_processes()
        for process in reversed(self._processes):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(self._processes, timeout=10)
        self._node.wait(timeout=10)

    def _note_processes(self) -> None:
        """Those that outlive their parent are not found by it any more."""
        with contextlib.suppress(psutil.NoSuchProcess):
            found = self._processes[0].children(recursive=True)
            self._processes += [process for process in found if process not in self._processes]
