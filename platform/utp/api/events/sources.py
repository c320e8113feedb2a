"""What the socket sends of the store, as JSON texts: made once for all who follow the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from utp.api.events.schemas import WsRun, WsRunEvent
from utp.api.schemas import to_time
from utp.api.services import Services
from utp.store.repositories.events import EventRepository, EventRow
from utp.store.repositories.run_queue import QueueRepository
from utp.store.repositories.run_states import RunStateRow, RunStates
from utp.store.states import LIVE


@dataclass(frozen=True, slots=True)
class SentEvent:
    """One event of a run."""

    seq: int
    run_id: str
    attempt: int
    json: str


@dataclass(frozen=True, slots=True)
class SentRun:
    """The row of one run."""

    run_id: str
    project_id: str
    attempt: int
    is_live: bool
    json: str


class Sources:
    """Reads the store; called from threads. Raises `StoreError`."""

    def __init__(self, services: Services) -> None:
        self._events = EventRepository(services.database)
        self._queue = QueueRepository(services.database)
        self._runs = RunStates(services.database)

    def newest_seq(self) -> int:
        """Return the number of the newest event."""
        return self._events.newest()

    def events_after(self, seq: int, run_id: str | None, limit: int) -> list[SentEvent]:
        """Return the events behind a number, of one run or of all."""
        rows = self._events.after(seq, run_id=run_id, limit=limit)
        return [SentEvent(row.seq, row.run_id, row.attempt, _to_event(row).model_dump_json()) for row in rows]

    def live_runs(self) -> list[str]:
        """Return the runs whose attempts are under way."""
        return [row.run_id for row in self._queue.active()]

    def runs(self, run_ids: Sequence[str]) -> list[SentRun]:
        """Return rows of runs; one that was deleted is missing."""
        return [_to_run(row) for row in self._runs.read(run_ids)]


def _to_run(row: RunStateRow) -> SentRun:
    sent = WsRun.model_validate(row).model_dump_json()
    return SentRun(row.id, row.project_id, row.attempt, row.state in LIVE, sent)


def _to_event(row: EventRow) -> WsRunEvent:
    detail = {"old_state": row.old_state, "new_state": row.new_state, "reason": row.reason, **(row.data or {})}
    return WsRunEvent(
        seq=row.seq, run_id=row.run_id, at=to_time(row.at), type=row.kind, attempt=row.attempt, detail=detail
    )
