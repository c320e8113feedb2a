"""`StackWatch`: has a worker that makes no progress write to its log where its threads stand.

The interpreter's own watchdog writes it, a thread of C that needs no lock: a worker that hangs in C is seen as well.
"""

from __future__ import annotations

import faulthandler
import threading
from types import TracebackType
from typing import Self

from utp.store.policy import STALLED_AFTER_S

LOOK_EVERY_S = 1.0
"""Between two looks for progress: to set the watchdog back costs too much to do it at each step."""


class StackWatch:
    """Begins with the first progress, since the start of a run may well take long. A context: it ends with it.

    Args:
        after_s: seconds without progress.
        descriptor: of the log.
        look_every_s: seconds between two looks.
    """

    def __init__(
        self, after_s: float = STALLED_AFTER_S, *, descriptor: int = 2, look_every_s: float = LOOK_EVERY_S
    ) -> None:
        self._after_s = after_s
        self._descriptor = descriptor
        self._look_every_s = look_every_s
        self._has_news = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stack-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    def note_progress(self) -> None:
        """Say that there was some."""
        self._has_news = True

    def _watch(self) -> None:
        while not self._closing.wait(self._look_every_s):
            if self._has_news:
                self._has_news = False
                faulthandler.dump_traceback_later(self._after_s, file=self._descriptor)
