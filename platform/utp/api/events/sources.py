"""What the socket sends of the store, as JSON texts: made once for all who follow the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from utp.api.agents.service import AgentService
from utp.api.events.schemas import WsRunEvent
from utp.api.metrics.curve_names import public_names
from utp.api.metrics.schemas import CurveOut
from utp.api.metrics.service import MetricService
from utp.api.paging import MAX_LIMIT, PageRequest
from utp.api.run_queue.service import QueueService
from utp.api.runs.answers import to_event, to_runs
from utp.api.runs.schemas import Run
from utp.api.security.permissions import Principal
from utp.api.services import Services
from utp.store.access import Role
from utp.store.repositories.curves import CurveRepository
from utp.store.repositories.events import EventRepository, EventRow
from utp.store.repositories.run_lists import RunLists
from utp.store.repositories.run_queue import QueueRepository
from utp.store.states import LIVE

_SERVER = Principal(id="", name="", role=Role.ADMIN, project_ids=None)
"""Reads for all who follow; what each may see is asked when they subscribe."""


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
        self.services = services
        self._curves = CurveRepository(services.database)
        self._events = EventRepository(services.database)
        self._queue = QueueRepository(services.database)
        self._runs = RunLists(services.database)

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
        found = self._runs.by_ids(run_ids)
        return [_to_sent(run) for run in to_runs(found, self._runs)]

    def metric_heads(self, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return the last step of every curve, by run and name."""
        heads = {}
        for run_id, latest in self._curves.latest_values(run_ids).items():
            names = public_names([(one.kind, one.name) for one in latest])
            heads[run_id] = {names[one.kind, one.name]: one.step for one in latest if (one.kind, one.name) in names}
        return heads

    def curves(self, run_id: str, names: Sequence[str], after_step: int, max_points: int) -> Sequence[CurveOut]:
        """Return curves of a run behind a step."""
        service = MetricService(self.services, _SERVER)
        return service.read_curves([run_id], names, max_points=max_points, after_step=after_step).items


def read_queue(sources: Sources, principal: Principal) -> str:
    """Return the queue as the members of a message."""
    page = PageRequest(limit=MAX_LIMIT, cursor=None, sort=None, q=None)
    return QueueService(sources.services, principal).read(page).model_dump_json()[1:-1]


def read_agents(sources: Sources, principal: Principal) -> str:
    """Return the machines as the members of a message."""
    page = PageRequest(limit=MAX_LIMIT, cursor=None, sort=None, q=None)
    agents = AgentService(sources.services, principal).list_agents(page, with_gone=True)
    return f'"items":[{",".join(agent.model_dump_json() for agent in agents.items)}]'


def _to_sent(run: Run) -> SentRun:
    return SentRun(run.id, run.project_id, run.attempt, run.state in LIVE, run.model_dump_json())


def _to_event(row: EventRow) -> WsRunEvent:
    return WsRunEvent(run_id=row.run_id, **to_event(row).model_dump())
