"""What `utp down` does about the runs: they save and leave, are queued again, and none stays shown as running."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from utp.cluster.head import Head
from utp.settings import Settings
from utp.store.database import Database
from utp.store.errors import AlreadyEnded, RunNotFound
from utp.store.recorder import Recorder
from utp.store.repositories.run_queue import ActiveRow, QueueRepository
from utp.store.repositories.runs import RunRepository
from utp.store.states import OUTCOME_OF_WISH, Wish

LOOK_EVERY_S = 0.5
CLOSING_FILE = "closing"
"""In the home: while it is there, the dispatcher starts nothing. It is read at each step, by a restarted one too."""


def close_admission(home: Path) -> None:
    """Have nothing more started, so that what makes room stays in the queue."""
    (home / CLOSING_FILE).touch()


def open_admission(home: Path) -> None:
    """Have queued runs started again."""
    (home / CLOSING_FILE).unlink(missing_ok=True)


def is_closing(home: Path) -> bool:
    """Whether nothing more is to be started."""
    return (home / CLOSING_FILE).exists()


def ask_all(database: Database) -> list[ActiveRow]:
    """Ask all live runs to save and make room, and return them: one that a signal ends is queued again, too."""
    recorder = Recorder(database)
    active = QueueRepository(database).active()
    for row in active:
        if row.wish is Wish.NONE:
            with suppress(AlreadyEnded, RunNotFound):  # it was quicker
                recorder.set_wish(row.run_id, Wish.PREEMPT, by="utp down")
    return active


def save_and_queue_again(
    database: Database,
    wait_s: float,
    show: Callable[[Sequence[ActiveRow], float], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Ask all live runs to save and make room, and wait; False where some are still there after the wait.

    Args:
        database: the store.
        wait_s: seconds to wait at most.
        show: gets the runs that are still there and the seconds that are left, at each look.
        clock: seconds that only go forward.
        sleep: waits.
    """
    deadline = clock() + wait_s
    while active := ask_all(database):
        if clock() >= deadline:
            return False
        show(active, deadline - clock())
        sleep(LOOK_EVERY_S)
    return True


def settle_all(database: Database, settings: Settings) -> list[str]:
    """Record the end of every attempt that is still open; return the names of those that left no word.

    Nothing of the platform runs any more. What an attempt wrote is taken first: it may have ended by itself.
    """
    ask_all(database)
    head = Head(database, settings)
    silent = []
    for row in QueueRepository(database).active():
        message = f"ended by `utp down` at step {row.step}, without a last checkpoint"
        end = {"outcome": OUTCOME_OF_WISH[row.wish], "message": message, "step": row.step, "epoch": row.epoch}
        head.settle(row.run_id, row.attempt, end)
        if _was_silent(database, row, message):
            silent.append(row.name)
    return silent


def _was_silent(database: Database, row: ActiveRow, message: str) -> bool:
    return RunRepository(database).get(row.run_id).attempts[-1].message == message
