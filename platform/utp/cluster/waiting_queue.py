"""`WaitingQueue`: the runs that wait, kept from tick to tick, so that 10,000 of them are not read anew each second."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from utp.cluster.admission import Plan
from utp.cluster.queue_order import WaitingRun
from utp.cluster.queue_sentences import find_news
from utp.cluster.ray_job import parse_request_json
from utp.store.recorder.waiting import Wait
from utp.store.repositories.run_queue import QueueRepository, WaitingRow

MAX_TOLD = 200
"""Reasons written at a step: the rest follows at the next ones."""


class WaitingQueue:
    """What the store says of the runs that wait, and what they were last told.

    What changes a waiting run has its event in the same transaction, so reading behind the last event misses nothing.
    Reasons and estimates come without one: only the dispatcher writes them, which says so here (`note_told`).
    """

    def __init__(self, queue: QueueRepository) -> None:
        self._queue = queue
        self._last_event: int | None = None
        self._runs: dict[str, WaitingRun] = {}
        self._told: dict[str, tuple[str, float | None]] = {}
        self.now = 0.0
        """By the database's clock, when it was last read."""

    def read(self) -> list[WaitingRun]:
        """Return the runs that wait now, in no order."""
        changes = self._queue.changes(self._last_event)
        if changes.is_whole:
            self._runs.clear()
            self._told.clear()
        for run_id in changes.left:
            self._runs.pop(run_id, None)
            self._told.pop(run_id, None)
        for row in changes.rows:
            self._runs[row.run_id] = _to_waiting(row)
            self._told[row.run_id] = (row.wait_reason, row.starts_at)
        self._last_event, self.now = changes.last_event, changes.now
        return list(self._runs.values())

    def news(self, plan: Plan) -> Mapping[str, Wait]:
        """Return what is to be told of runs that wait and differs from what was, a part at a time."""
        return dict(islice(find_news(plan, self._told, self.now), MAX_TOLD))

    def note_told(self, waits: Mapping[str, Wait]) -> None:
        """Remember what the store now says."""
        for run_id, wait in waits.items():
            starts_at = None if wait.starts_in_s is None else self.now + wait.starts_in_s
            self._told[run_id] = (wait.reason, starts_at)


def _to_waiting(row: WaitingRow) -> WaitingRun:
    return WaitingRun(
        run_id=row.run_id, name=row.name, owner=row.owner, project_id=row.project_id, priority=row.priority,
        seq=row.queued_seq, queued_at=row.queued_at, not_before=row.not_before,
        request=parse_request_json(row.request_json),
    )  # fmt: skip
