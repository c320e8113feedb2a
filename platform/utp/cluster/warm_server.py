"""`WarmServer`: a process with all imported that trains, which forks a child for each job.

It has one thread and has never touched CUDA or a running Ray: what a forked child could not go on with.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from utp.cluster.warm_orphans import Orphans
from utp.cluster.warm_protocol import code_version, explain_refusal, receive_job, send_line
from utp.settings import get_settings

PRELOADED = (
    "torch",
    "torchvision.transforms.v2",
    "transformers",
    "transformers.modeling_utils",
    "utp.cluster.local_training",
    "utp.core.tasks.image_classification",
)
REQUEST_TIMEOUT_S = 10.0

RunJob = Callable[[Mapping[str, Any]], int]
"""Trains what the specification says, in a child, and returns the exit code."""


class WarmServer:
    """Listens on a Unix socket that only this user may open.

    Args:
        path: of the socket; its directory is made.
        run: what a child does.
        orphans: ends children whose job is gone.
    """

    def __init__(self, path: Path, run: RunJob, orphans: Orphans | None = None) -> None:
        self._path = path
        self._run = run
        self._orphans = orphans or Orphans()
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Listen. Raises `BlockingIOError` where a server does already."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = self._path.with_suffix(".lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._path.unlink(missing_ok=True)  # of a server that was killed
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        previous = os.umask(0o177)
        try:
            self._listener.bind(str(self._path))
        finally:
            os.umask(previous)
        self._listener.listen()

    def preload(self) -> None:
        """Import what trains; a page of it that no child writes to is shared by all."""
        code_version()  # of what is about to be imported
        for name in PRELOADED:
            importlib.import_module(name)
        gc.collect()
        gc.freeze()
        others = _other_threads()
        assert not others, f"a child of a process with more threads may hang: {', '.join(others)}"

    def serve(self) -> None:
        """Fork a child for each job, until the process is ended."""
        assert self._listener is not None, "open comes first"
        signal.signal(signal.SIGCHLD, _reap)
        while True:
            self._orphans.wait_for_job(self._listener)
            connection, _ = self._listener.accept()
            with connection:
                if (pid := os.fork()) == 0:
                    self._be_child(connection)
                self._orphans.watch(connection, pid)

    def close(self) -> None:
        """Listen no more; the children go on."""
        self._path.unlink(missing_ok=True)
        if self._listener is not None:
            self._listener.close()
        self._lock.close()

    def _be_child(self, connection: socket.socket) -> None:
        code = 1
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            assert self._listener is not None
            self._listener.close()
            self._lock.close()
            self._orphans.forget()
            spec = _take_over(connection)
            code = 0 if spec is None else self._run(spec)
        except BaseException:  # noqa: BLE001 - the edge of a process
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            with contextlib.suppress(OSError):
                send_line(connection, {"exit_code": code})
            os._exit(code)


def _take_over(connection: socket.socket) -> Mapping[str, Any] | None:
    """Become the job's process; return what is to be trained, None where the job is refused or has gone away."""
    connection.settimeout(REQUEST_TIMEOUT_S)
    try:
        message, streams = receive_job(connection)
        if (reason := explain_refusal(message)) is not None:
            send_line(connection, {"refused": reason})
            return None
        _become(message, streams)
        send_line(connection, {"started": os.getpid()})
    except (ConnectionError, TimeoutError) as error:
        sys.stderr.write(f"a job went away before it was taken over: {error}\n")
        return None
    connection.settimeout(None)
    threading.Thread(target=_follow_client, args=(connection,), name="warm-client", daemon=True).start()
    spec: Mapping[str, Any] = message["spec"]
    return spec


def _other_threads() -> list[str]:
    """Return the names of this process's threads, C's too; pyarrow's jemalloc stops its own around a fork."""
    others = [task for task in Path("/proc/self/task").iterdir() if task.name != str(os.getpid())]
    names = [(task / "comm").read_text().strip() for task in others]
    return [name for name in names if name != "jemalloc_bg_thd"]


def _become(message: Mapping[str, Any], streams: Any) -> None:
    """Take over the job's streams, environment, directory and module path."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(message["environment"])
    os.chdir(message["directory"])
    sys.argv[:] = message["argv"]
    sys.path[:] = message["path"]
    get_settings.cache_clear()


def _follow_client(connection: socket.socket) -> None:
    """Raise the signals that the job was sent; end at once with the job, which nobody else would notice."""
    with contextlib.suppress(ConnectionError):  # of a job that was killed before it read all
        while number := connection.recv(1):
            os.kill(os.getpid(), number[0])
    os._exit(128 + signal.SIGKILL)


def _reap(number: int, frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
