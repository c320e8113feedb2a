"""What a job and the warm server of its machine say to each other. Imports no torch and no Ray.

The server has everything imported that trains; for each job it forks a child, which trains as if it were the job's
process: with its environment, its working directory, its streams and its signals.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import utp

SOCKET = "warm.sock"
AUTH_MODE = "RAY_AUTH_MODE"
_HEADER = struct.Struct("!I")
_MAX_MESSAGE_BYTES = 16 << 20
_NUM_STREAMS = 3


def socket_path(home: Path) -> Path:
    """Return where the warm server of this machine and home listens: hosts may share the home."""
    return home / "warm" / os.uname().nodename / SOCKET


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the version of the code that this process found when it began."""
    return read_code_version()


def read_code_version() -> str:
    """Return a digest of utp's source and of the interpreter: a child computes what the job's own process would."""
    digest = hashlib.sha256(f"{sys.prefix} {sys.version}".encode())
    root = Path(utp.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def describe_job(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a child takes over of this process, besides its streams."""
    return {
        "version": code_version(),
        "spec": spec,
        "argv": sys.argv,
        "environment": dict(os.environ),
        "directory": str(Path.cwd()),
        "path": sys.path,
    }


def explain_refusal(message: Mapping[str, Any]) -> str | None:
    """Return why no child of this process can take a job over; None where one can."""
    if message["version"] != code_version():
        return "the warm server holds other code than this job's"
    ours, theirs = (environment.get(AUTH_MODE) or "unset" for environment in (os.environ, message["environment"]))
    if ours != theirs:  # Ray reads it when it is imported; such a child would wait for the head for ever
        return f"the warm server was started with {AUTH_MODE}={ours}, this job with {theirs}"
    return None


def send_job(connection: socket.socket, message: Mapping[str, Any]) -> None:
    """Send the description and this process's stdin, stdout and stderr."""
    data = json.dumps(message).encode()
    socket.send_fds(connection, [_HEADER.pack(len(data))], range(_NUM_STREAMS))
    connection.sendall(data)


def receive_job(connection: socket.socket) -> tuple[dict[str, Any], Sequence[int]]:
    """Return the description and three descriptors. Raises `ConnectionError` for anything else."""
    head, descriptors, _, _ = socket.recv_fds(connection, _HEADER.size, _NUM_STREAMS)
    if len(head) != _HEADER.size or len(descriptors) != _NUM_STREAMS:
        raise ConnectionError("this is no job")
    (size,) = _HEADER.unpack(head)
    if size > _MAX_MESSAGE_BYTES:
        raise ConnectionError(f"a job of {size} bytes is refused")
    message: dict[str, Any] = json.loads(_receive_exactly(connection, size))
    return message, descriptors


def send_line(connection: socket.socket, message: Mapping[str, Any]) -> None:
    """Send one JSON object and a newline: `started`, `refused` or `exit_code`."""
    connection.sendall(json.dumps(message).encode() + b"\n")


def _receive_exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionError("the job went away")
        data += piece
    return bytes(data)
