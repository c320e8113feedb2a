"""The queue: who waits, why, until when; and its order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from utp.api.agents.schemas import GpuState
from utp.api.agents.service import find_holders, gpu_state
from utp.api.paging import PageRequest, cut_page, wrong_cursor
from utp.api.run_queue.schemas import ActiveRun, QueueItem, QueueOut
from utp.api.runs.access import require_run
from utp.api.schemas import to_time
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.store.repositories.agents import AgentRepository, AgentRow
from utp.store.repositories.queue_page import LiveRun, QueuePageRepository, WaitingRun


class QueueService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal

    def read(self, page: PageRequest) -> QueueOut:
        """Return a part of the line, and all that is under way, as far as the principal sees it."""
        self._principal.require(None, Action.READ)
        last = page.after(1)
        if last is not None and not isinstance(last[0], int):
            raise wrong_cursor(page.cursor)
        found = QueuePageRepository(self._services.database).read(
            limit=page.limit + 1, after=last[0] if last else 0, project_ids=self._principal.project_ids
        )
        waiting, cursor = cut_page(found.waiting, page.limit, lambda row: (row.position,))
        agents = AgentRepository(self._services.database).list_agents()
        free, total = self._count_gpus(agents, found.active)
        hosts = {agent.id: agent.hostname for agent in agents}
        return QueueOut(
            items=[_to_item(row) for row in waiting],
            next_cursor=cursor,
            total=found.num_waiting,
            active=[_to_active(run, hosts) for run in found.active],
            free_gpus=free,
            total_gpus=total,
        )

    def move(self, run_id: str, before_run_id: str | None) -> QueueOut:
        """Change a run's place in line. Raises `RunNotFound`, `IllegalMove`, `Forbidden`."""
        self._principal.require(None, Action.OPERATE)
        for one in filter(None, (run_id, before_run_id)):
            require_run(self._services, self._principal, one)
        self._services.recorder.move_in_queue(run_id, before_run_id)
        self._services.wakeup.wake()
        return self.read(PageRequest(limit=100, cursor=None, sort=None, q=None))

    def _count_gpus(self, agents: Sequence[AgentRow], seen: Sequence[LiveRun]) -> tuple[int, int]:
        """Return how many GPUs are free, and how many there are."""
        if self._principal.project_ids is not None:  # others' runs hold GPUs too
            seen = QueuePageRepository(self._services.database).read(limit=0).active
        holders = find_holders(seen)
        gpus = [(agent, gpu) for agent in agents for gpu in agent.gpus]
        free = [
            gpu for agent, gpu in gpus if not agent.is_draining and gpu_state(agent.id, gpu, holders) is GpuState.FREE
        ]
        return len(free), len(gpus)


def _to_item(row: WaitingRun) -> QueueItem:
    workers = row.request.get("num_workers", 1)
    per_worker = row.request.get("gpus_per_worker")
    return QueueItem(
        position=row.position,
        run_id=row.run_id,
        name=row.name,
        project_id=row.project_id,
        project_name=row.project_name,
        owner=row.owner,
        priority=row.priority,
        gpus=None if per_worker is None else workers * per_worker,
        workers=workers,
        queued_at=to_time(row.queued_at),
        wait_reason=row.wait_reason,
        starts_in_s=None if row.starts_in_s is None else max(0.0, row.starts_in_s),
    )


def _to_active(run: LiveRun, hosts: Mapping[str, str]) -> ActiveRun:
    shares: Sequence[Mapping[str, Any]] = (run.placement or {}).get("shares", [])
    return ActiveRun(
        run_id=run.run_id,
        name=run.name,
        project_id=run.project_id,
        project_name=run.project_name,
        owner=run.owner,
        state=run.state,
        priority=run.priority,
        started_at=to_time(run.started_at),
        step=run.step,
        total_steps=run.total_steps,
        num_gpus=sum(len(share["gpus"]) for share in shares),
        hosts=[hosts.get(share["node_id"], share["node_id"]) for share in shares],
    )
