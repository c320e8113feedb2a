"""Asks processes of `entrypoints/thumbnailer.py` for thumbnails; one that dies or takes too long is replaced."""

from __future__ import annotations

import os
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence

from utp.api.errors import DecoderBusy, NotAPicture

NUM_PROCESSES = 2
MAX_WAIT_S = 20.0
"""For a process that is free."""
MAX_TIME_S = 10.0
"""For one thumbnail; then its process is ended."""
COMMAND = (sys.executable, "-m", "utp.entrypoints.thumbnailer")
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG")
"""The decoder needs no address and no secret of the server."""


class ThumbnailDecoder:
    """A few decoder processes, started on demand.

    Args:
        command: that starts one.
        num_processes: at most so many at once.
    """

    def __init__(self, command: Sequence[str] = COMMAND, num_processes: int = NUM_PROCESSES) -> None:
        self._command = list(command)
        self._idle: queue.LifoQueue[subprocess.Popen[bytes] | None] = queue.LifoQueue()
        for _ in range(num_processes):
            self._idle.put(None)

    def make(self, content: bytes, side: int) -> bytes:
        """Return a WebP of at most `side` pixels a side.

        Raises:
            NotAPicture: it can't be decoded, is too large, or ended the decoder.
            DecoderBusy: no process was free for long.
        """
        try:
            process = self._idle.get(timeout=MAX_WAIT_S)
        except queue.Empty:
            raise DecoderBusy from None
        try:
            if process is None or process.poll() is not None:
                process = self._start()
            is_good, payload = _exchange(process, content, side)
        except (OSError, EOFError, struct.error) as error:
            _end(process)
            process = None
            raise NotAPicture("the decoder gave up on it") from error
        finally:
            self._idle.put(process)
        if not is_good:
            raise NotAPicture(payload.decode(errors="replace"))
        return payload

    def close(self) -> None:
        """End the idle processes; those at work end with the next word they write."""
        for _ in range(self._idle.qsize()):
            _end(self._idle.get())
            self._idle.put(None)

    def _start(self) -> subprocess.Popen[bytes]:
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        return subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=kept
        )


def _exchange(process: subprocess.Popen[bytes], content: bytes, side: int) -> tuple[bool, bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    guard = threading.Timer(MAX_TIME_S, process.kill)
    guard.start()
    try:
        process.stdin.write(struct.pack(">IQ", side, len(content)))
        process.stdin.write(content)
        process.stdin.flush()
        is_good, length = struct.unpack(">BQ", process.stdout.read(9))
        payload = process.stdout.read(length)
    finally:
        guard.cancel()
    if len(payload) < length:
        raise EOFError
    return bool(is_good), payload


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:
                continue  # bytes that it did not take any more
