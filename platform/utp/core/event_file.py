"""`EventFile`: TensorBoard's file format, written by the thread that has something to say.

torch's `SummaryWriter` hands each event to a thread of its own, which takes turns with the one that trains: four times
the work of writing the event, and felt where a step takes a millisecond.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from utp.core.growing_file import GrowingFile

FLUSH_S = 1.0
"""An event that comes so many seconds after the last flush is in the file at once; of faster rows the last may wait."""

_VERSION = "brain.Event:2"


class EventFile:
    """A new file of events in `directory`, which is made if need be.

    Args:
        directory: that TensorBoard reads.
        purge_step: on a resume the first step that will be written anew; readers forget earlier events from it on.
    """

    def __init__(self, directory: Path, purge_step: int | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = _create(directory)
        self._records: Any = RecordWriter(self._file)
        self._flushed_s = -FLUSH_S
        self._write(Event(file_version=_VERSION, step=purge_step or 0))
        if purge_step is not None:
            self._write(Event(step=purge_step, session_log=SessionLog(status=SessionLog.START)))

    def add(self, summary: Summary, step: int = 0) -> None:
        """Write values at a step."""
        self._write(Event(summary=summary, step=step))
        if time.monotonic() - self._flushed_s >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Put everything written so far into the file; what the disk refuses waits for the next time."""
        with suppress(OSError):
            self._file.flush()
        self._flushed_s = time.monotonic()

    def close(self) -> None:
        """Flush and close; may be called again."""
        self._file.close()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())


def _create(directory: Path) -> GrowingFile:
    name = f"events.out.tfevents.{int(time.time()):010}.{socket.gethostname()}.{os.getpid()}"
    for number in itertools.count():
        try:
            return GrowingFile(directory / f"{name}.{number}", is_new=True)
        except FileExistsError:
            continue
    raise AssertionError("numbers do not end")
