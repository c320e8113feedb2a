"""The job's side of a warm start: hands the attempt to a child of the warm server and stands in for it."""

from __future__ import annotations

import json
import select
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from utp.cluster.job_spec import JobSpec
from utp.cluster.kernel_oom import OomWatch
from utp.cluster.warm_protocol import describe_job, send_job, socket_path
from utp.core.journal import write_failure
from utp.errors import FailureKind
from utp.settings import Settings

_RELAYED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 60.0
"""A server that has just been started is still importing what this job would have to import as well."""
LOOK_EVERY_S = 2.0
OOM = {
    "outcome": "failed",
    "kind": FailureKind.OOM_HOST,
    "message": (
        "the kernel killed the process that trained, as memory ran out on the machine or in its container; "
        "lower batch_size, num_workers or prefetch_factor, end other programs, or give it more memory"
    ),
}
KILLED = 128 + signal.SIGKILL
"""As a shell says it: the attempt counts as lost, and is tried again; 1 would be a failure of the training's own."""


def train_warm(spec: JobSpec, settings: Settings, note: Callable[[str], None]) -> int | None:
    """Train in a child of the warm server; return its exit code, or None where there is none that fits.

    The child lives no longer than this process, whatever ends it: it watches the connection.
    """
    connection = _connect(settings, note) if settings.warm_start else None
    if connection is None:
        return None
    with connection:
        answers = connection.makefile("rb", buffering=0)  # what was read ahead would be waited for in vain
        try:
            send_job(connection, describe_job(spec.to_json()))
            answer = _read(answers.readline())
        except OSError as error:
            note(f"the warm server does not answer ({error}); starting cold")
            return None
        if "started" not in answer:
            note(f"{answer.get('refused', 'the warm server went away')}; starting cold")
            return None
        connection.settimeout(None)
        with _relaying_signals(connection):
            oom = _wait_for_word(connection)
            ending = _read_ending(answers)
    if "exit_code" not in ending:
        note(f"the process that trained, {answer['started']}, died without a word")
        if oom.has_killed(within_s=2 * LOOK_EVERY_S):
            note(write_failure(spec.paths, spec.attempt, OOM)["message"])
        return KILLED
    return int(ending["exit_code"])


def _connect(settings: Settings, note: Callable[[str], None]) -> socket.socket | None:
    path = socket_path(settings.home)
    if not path.exists():
        note("no warm server runs on this machine; starting cold")
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_TIMEOUT_S)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        note(f"the warm server is gone ({error}); starting cold")
        return None
    connection.settimeout(ANSWER_TIMEOUT_S)
    return connection


def _wait_for_word(connection: socket.socket) -> OomWatch:
    """Return once there is something to read, or the other end is closed, with what was seen of the kernel's kills."""
    oom = OomWatch()
    while not select.select([connection], [], [], LOOK_EVERY_S)[0]:
        oom.look()
    return oom


def _read(line: bytes) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = json.loads(line) if line.endswith(b"\n") else {}
    return answer


def _read_ending(answers: socket.SocketIO) -> Mapping[str, Any]:
    """Return the child's last word; none where it was killed, be it with a signal that it had not read yet."""
    try:
        return _read(answers.readline())
    except ConnectionResetError:
        return {}


@contextmanager
def _relaying_signals(connection: socket.socket) -> Iterator[None]:
    """Send what this process is asked to the child, as the signal's number in a byte."""

    def relay(number: int, frame: FrameType | None) -> None:
        with suppress(BrokenPipeError):  # the child has just ended: its last word is read next
            connection.sendall(bytes([number]))

    previous = {number: signal.signal(number, relay) for number in _RELAYED}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
