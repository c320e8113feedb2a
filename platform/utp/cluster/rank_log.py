"""`rank<N>.log`: all that a worker's process writes, Python's and C's, as raw bytes; and where its threads stand."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

ECHO_INTERVAL_S = 0.2
MAX_ECHO_BYTES = 64 << 20
"""Copied while it is written: Ray keeps a job's output whole, and reads it into memory."""
ECHO_END_BYTES = 64 << 10
"""Of the log's end, copied behind the rest where that was too long."""


def redirect_output(path: Path) -> int:
    """Let this process's stdout and stderr append to `path`; return a descriptor of the stdout it had.

    A crash of the process loses nothing: there is no pipe, and no thread that would have to live on to empty it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    previous = os.dup(1)
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.close(log)
    # Python buffers blocks where stdout is a file; a log is read while it is written.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    dump_stacks_on_request()
    return previous


def dump_stacks_on_request() -> None:
    """Write every thread's stack to the log on SIGUSR1, and on a crash of the interpreter."""
    faulthandler.enable(file=2, all_threads=True)
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)


class LogEcho:
    """Copies what is appended to a log to another descriptor, from a thread of its own: `ray job logs` shows it too."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._closing = threading.Event()
        self._offset = path.stat().st_size if path.exists() else 0
        self._left_bytes = MAX_ECHO_BYTES
        self._thread = threading.Thread(target=self._run, name="log-echo", daemon=True)

    def start(self) -> None:
        """Begin with what is appended from now on."""
        self._thread.start()

    def close(self) -> None:
        """Copy the rest and end."""
        self._closing.set()
        self._thread.join()
        if self._left_bytes <= 0:
            with suppress(OSError):
                self._offset = max(self._offset, self._path.stat().st_size - ECHO_END_BYTES)
                self._left_bytes = ECHO_END_BYTES
                self._copy()

    def _run(self) -> None:
        is_closing = False
        while not is_closing:
            is_closing = self._closing.wait(ECHO_INTERVAL_S)
            try:
                self._copy()
                if self._left_bytes <= 0:
                    self._write(f"\nutp: more than {MAX_ECHO_BYTES} bytes; the rest is in {self._path}\n".encode())
                    return
            except OSError:
                return  # nobody reads any more; the log itself is whole

    def _copy(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            while self._left_bytes > 0 and (data := file.read(min(self._left_bytes, 1 << 16))):
                self._offset += len(data)
                self._left_bytes -= len(data)
                self._write(data)

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]
