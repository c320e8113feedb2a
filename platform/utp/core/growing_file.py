"""`GrowingFile`: a file that is only appended to, and that a disk which is full for a while neither tears nor ends."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path


class GrowingFile:
    """What is appended is in the file at once, or waits in memory, in order, until the disk takes it.

    Python's own files lose the end of a line that the disk takes in part, and raise for the next one.

    Args:
        path: of the file, made where it is not there.
        is_new: refuse one that is there, with `FileExistsError`.
    """

    def __init__(self, path: Path, *, is_new: bool = False) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor: int | None = os.open(path, flags | os.O_EXCL if is_new else flags, 0o666)
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self.refusal: OSError | None = None
        """Why something waits; none where nothing does."""

    def write(self, data: bytes) -> int:
        """Take data into memory, for the next `flush`; return how much."""
        with self._lock:
            self._waiting += data
        return len(data)

    def append(self, data: bytes) -> None:
        """Write data; where the disk refuses, it waits, and `refusal` says why."""
        self.write(data)
        with suppress(OSError):
            self.flush()

    def flush(self) -> None:
        """Write what waits. Raises `OSError` where the disk refuses; then the rest waits on."""
        with self._lock:
            try:
                while self._waiting and self._descriptor is not None:
                    del self._waiting[: os.write(self._descriptor, self._waiting)]
            except OSError as error:
                self.refusal = error
                raise
            self.refusal = None

    def sync(self) -> None:
        """Make durable all that was appended. Raises `OSError`."""
        self.flush()
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """End the file; what the disk refuses to the last is lost. May be called again."""
        with suppress(OSError):
            self.flush()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
