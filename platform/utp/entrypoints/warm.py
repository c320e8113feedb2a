"""`python -m utp.entrypoints.warm`: the warm server of this machine; jobs that start here train in forks of it."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from utp.cluster.job_spec import JobSpec
from utp.cluster.warm_protocol import socket_path
from utp.cluster.warm_server import WarmServer
from utp.entrypoints.job import exit_code, note
from utp.entrypoints.stop_signal import StopSignal
from utp.settings import get_settings, let_idle_threads_sleep

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; children go on."""
    parser = argparse.ArgumentParser(prog="python -m utp.entrypoints.warm", description=__doc__)
    parser.add_argument("--end-with", type=int, metavar="PID", help="Of the parent, to end with it whatever ends it.")
    parent = parser.parse_args(arguments).end_with
    if parent is not None and not _end_with(parent):
        return 0
    let_idle_threads_sleep()
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # looking for a GPU through CUDA would spoil it for every child
    path = socket_path(get_settings().home)
    server = WarmServer(path, train_child)
    try:
        server.open()
    except BlockingIOError:
        note(f"a warm server listens on {path} already")
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    try:
        server.preload()
        note(f"warm: {path}")
        server.serve()
    finally:
        server.close()
    return 0


def train_child(data: Mapping[str, Any]) -> int:
    """Train one attempt in a fork; return the exit code."""
    from utp.cluster.local_training import train_in_this_process  # noqa: PLC0415 - imported by now

    with StopSignal(lambda: note("saving, then stopping; a second signal stops at once")) as stop:
        return exit_code(train_in_this_process(JobSpec.from_json(data), stop.is_set))


def _end_with(parent: int) -> bool:
    """Have the kernel send SIGTERM when the parent dies; False where it has died already. Forks don't inherit it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent


def _leave(number: int, frame: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
