"""`CopyCleaner`: removes the head's copies of the logs of runs that were deleted, which need not happen on the head."""

from __future__ import annotations

import shutil
from pathlib import Path

from utp.store.database import Database
from utp.store.repositories.events import EventRepository

DELETED = "deleted"
"""Kind of the event that is all that the store keeps of such a run."""


class CopyCleaner:
    """Follows the deletions; what it remembers spares it those it has seen.

    Args:
        database: the store.
        copies: folder of the copies, by run.
    """

    def __init__(self, database: Database, copies: Path) -> None:
        self._events = EventRepository(database)
        self._copies = copies
        self._last_event = 0

    def step(self) -> None:
        """Remove what belongs to no run any more. Raises `StoreError`."""
        newest = self._events.newest()
        while events := self._events.after(self._last_event, kind=DELETED):
            for event in events:
                shutil.rmtree(self._copies / event.run_id, ignore_errors=True)
            self._last_event = events[-1].seq
        self._last_event = max(self._last_event, newest)  # else all later events are looked through each time
