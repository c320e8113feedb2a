"""`Boards`: the TensorBoards of this process, a few at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from utp.api.errors import TensorBoardsBusy
from utp.api.tensorboard.board import Board, remove_orphans

MAX_BOARDS = 4
"""Each holds 100 to 300 MB."""
KEPT_S = 60.0
"""One that was used more recently makes no room for another."""
LINK_EVERY_S = 5.0

Logs = Mapping[str, Path]

_log = logging.getLogger(__name__)


class Boards:
    """Starts a board when it is asked for, and ends the one that rested longest where there are too many.

    Args:
        max_boards: at most so many at once.
        kept_s: as `KEPT_S`.
    """

    def __init__(self, max_boards: int = MAX_BOARDS, kept_s: float = KEPT_S) -> None:
        self._max_boards = max_boards
        self._kept_s = kept_s
        self._boards: dict[str, Board] = {}
        self._linked_s: dict[str, float] = {}
        self._has_started_any = False
        self._lock = threading.Lock()

    def open(self, key: str, find_logs: Callable[[], Logs]) -> Board:
        """Return the board of a key, started if need be, and its runs brought up to date now and then.

        Raises:
            TensorBoardsBusy: as many as may be are in use.
            OSError: it can't be started.
        """
        with self._lock:
            board, now = self._boards.get(key), time.monotonic()
            if board is not None and not board.is_alive():
                self._end(key)
                board = None
            if board is None:
                if not self._has_started_any:
                    remove_orphans()
                    self._has_started_any = True
                self._make_room(now)
                board = self._boards[key] = Board(key, find_logs())
                self._linked_s[key] = now
            elif now - self._linked_s[key] >= LINK_EVERY_S:
                board.link(find_logs())
                self._linked_s[key] = now
            board.last_used_s = now
            return board

    def close(self) -> None:
        """End them all."""
        with self._lock:
            for key in tuple(self._boards):
                self._end(key)

    def _make_room(self, now: float) -> None:
        for key in [key for key, board in self._boards.items() if not board.is_alive()]:
            self._end(key)
        while len(self._boards) >= self._max_boards:
            oldest = min(self._boards.values(), key=lambda board: board.last_used_s)
            if now - oldest.last_used_s < self._kept_s:
                raise TensorBoardsBusy(len(self._boards))
            self._end(oldest.key)

    def _end(self, key: str) -> None:
        board = self._boards.pop(key)
        if not board.is_alive() and not board.is_ready():
            _log.error("TensorBoard ended before it answered: %s", board.last_words())
        del self._linked_s[key]
        board.close()
