"""Machines and GPUs as the store last knew them, and what an operator decides about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from utp.api.agents.schemas import (
    Agent,
    AgentHistory,
    AgentPage,
    AgentRun,
    AgentState,
    Gpu,
    GpuHistory,
    GpuProcess,
    GpuState,
)
from utp.api.paging import PageRequest, page_in_memory
from utp.api.schemas import to_time
from utp.api.security.permissions import Action, Principal
from utp.api.services import Services
from utp.store.errors import NotFound
from utp.store.repositories.agents import AgentRepository, AgentRow, GpuRow
from utp.store.repositories.machine_history import MachineHistoryRepository, MachineMoment
from utp.store.repositories.queue_page import LiveRun, QueuePageRepository

UNOWNED_MEMORY_BYTES = 256 << 20
"""As `cluster/inventory.py` has it: used memory that no process explains, up to which a GPU counts as free."""

SORTS = {
    "name": lambda row: row.hostname,
    "last_seen_at": lambda row: row.seen_at,
    "state": lambda row: not row.is_alive,
}


@dataclass
class Holders:
    """Which live runs hold what."""

    by_agent: dict[str, list[LiveRun]] = field(default_factory=lambda: defaultdict(list))
    by_gpu: dict[tuple[str, int], LiveRun] = field(default_factory=dict)
    """By machine and index."""


def find_holders(active: Sequence[LiveRun]) -> Holders:
    """Return who holds what, by the placements of attempts under way."""
    holders = Holders()
    for run in active:
        for share in (run.placement or {}).get("shares", []):
            holders.by_agent[share["node_id"]].append(run)
            holders.by_gpu.update({(share["node_id"], index): run for index in share["gpus"]})
    return holders


def gpu_state(agent_id: str, gpu: GpuRow, holders: Holders) -> GpuState:
    """Return who a GPU is there for."""
    if gpu.is_quarantined:
        return GpuState.QUARANTINED
    if (agent_id, gpu.index) in holders.by_gpu or any(process.get("is_ours") for process in gpu.processes):
        return GpuState.BUSY
    explained = sum(process.get("memory_bytes", 0) for process in gpu.processes)
    is_used = (gpu.memory_used_bytes or 0) - explained > UNOWNED_MEMORY_BYTES
    return GpuState.FOREIGN if gpu.processes or is_used else GpuState.FREE


class AgentService:
    """Acts for one principal."""

    def __init__(self, services: Services, principal: Principal) -> None:
        self._services = services
        self._principal = principal
        self._agents = AgentRepository(services.database)

    def list_agents(self, page: PageRequest, *, with_gone: bool) -> AgentPage:
        """Return the machines."""
        self._principal.require(None, Action.READ)
        rows = self._agents.list_agents(with_gone=with_gone)
        if page.q:
            rows = [row for row in rows if page.q.lower() in row.hostname.lower()]
        items, cursor = page_in_memory(rows, page, SORTS, "name", lambda row: row.id)
        holders = self._holders()
        return AgentPage(items=[self._to_agent(row, holders) for row in items], next_cursor=cursor, total=len(rows))

    def get(self, agent_id: str) -> Agent:
        """Return one machine. Raises `NotFound`."""
        self._principal.require(None, Action.READ)
        rows = self._agents.list_agents(with_gone=True, agent_id=agent_id)
        if not rows:
            raise NotFound("agent", agent_id)
        return self._to_agent(rows[0], self._holders())

    def set_draining(self, agent_id: str, *, is_draining: bool) -> Agent:
        """Start nothing new on a machine, or let it take part again. Raises `NotFound`, `Forbidden`."""
        self._principal.require(None, Action.OPERATE)
        if not self._services.recorder.set_draining(agent_id, is_draining):
            raise NotFound("agent", agent_id)
        self._services.wakeup.wake()
        return self.get(agent_id)

    def quarantine(self, uuid: str, reason: str | None) -> Gpu:
        """Offer a GPU to no new run, or (without a reason) again. Raises `NotFound`, `Forbidden`."""
        self._principal.require(None, Action.OPERATE)
        recorder = self._services.recorder
        is_known = recorder.release_gpu(uuid) if reason is None else recorder.quarantine_gpu(uuid, reason)
        if not is_known:
            raise NotFound("GPU", uuid)
        self._services.wakeup.wake()
        agents = self._agents.list_agents(with_gone=True)
        agent_id, gpu = next((agent.id, gpu) for agent in agents for gpu in agent.gpus if gpu.uuid == uuid)
        return self._to_gpu(agent_id, gpu, self._holders())

    def read_history(self, agent_id: str, minutes: int) -> AgentHistory:
        """Return what a machine did lately. Raises `NotFound`."""
        self.get(agent_id)
        history = MachineHistoryRepository(self._services.database)
        return _to_history(history.read(agent_id, history.now() - 60 * minutes))

    def _holders(self) -> Holders:
        return find_holders(QueuePageRepository(self._services.database).read(limit=0).active)

    def _to_agent(self, row: AgentRow, holders: Holders) -> Agent:
        total, free = row.facts.get("memory_total_bytes"), row.facts.get("memory_free_bytes")
        utilisation = row.facts.get("cpu_utilisation")
        runs = [run for run in holders.by_agent.get(row.id, []) if self._sees(run)]
        return Agent(
            id=row.id,
            name=row.hostname,
            address=row.address,
            state=AgentState.ALIVE if row.is_alive else AgentState.GONE,
            is_draining=row.is_draining,
            last_seen_at=to_time(row.seen_at),
            num_cpus=row.facts.get("cpus_total", 0.0),
            cpu_percent=None if utilisation is None else 100 * utilisation,
            memory_bytes=total,
            memory_used_bytes=None if total is None or free is None else total - free,
            disk_free_bytes=row.facts.get("disk_free_bytes"),
            shm_bytes=row.facts.get("shm_total_bytes"),
            num_gpus=len(row.gpus),
            runs=[AgentRun(run_id=run.run_id, name=run.name) for run in runs],
            gpus=[self._to_gpu(row.id, gpu, holders) for gpu in row.gpus],
        )

    def _to_gpu(self, agent_id: str, gpu: GpuRow, holders: Holders) -> Gpu:
        holder = holders.by_gpu.get((agent_id, gpu.index))
        return Gpu(
            uuid=gpu.uuid,
            index=gpu.index,
            name=gpu.model,
            memory_bytes=gpu.memory_total_bytes,
            memory_used_bytes=gpu.memory_used_bytes,
            utilization_percent=None if gpu.utilisation is None else 100 * gpu.utilisation,
            temperature_c=gpu.temperature_c,
            power_w=gpu.power_w,
            state=gpu_state(agent_id, gpu, holders),
            quarantine_reason=gpu.quarantine_reason,
            run_id=holder.run_id if holder is not None and self._sees(holder) else None,
            processes=[_to_process(process) for process in gpu.processes],
        )

    def _sees(self, run: LiveRun) -> bool:
        return self._principal.can(run.project_id, Action.READ)


def _to_process(process: Mapping[str, object]) -> GpuProcess:
    memory = process.get("memory_bytes")
    return GpuProcess(
        pid=int(str(process["pid"])),
        user=str(process.get("user", "")),
        name=str(process.get("name", "")),
        memory_bytes=memory if isinstance(memory, int) else 0,
    )


def _to_history(moments: Sequence[MachineMoment]) -> AgentHistory:
    uuids = dict.fromkeys(uuid for moment in moments for uuid in moment.gpus)
    absent: Sequence[float | None] = (None, None)
    columns = {uuid: [moment.gpus.get(uuid, absent) for moment in moments] for uuid in uuids}
    return AgentHistory(
        times=[to_time(moment.at) for moment in moments],
        cpu_percent=[moment.cpu_percent for moment in moments],
        memory_used_bytes=[moment.memory_used_bytes for moment in moments],
        gpus={
            uuid: GpuHistory(
                utilization_percent=[value[0] for value in column],
                memory_used_bytes=[None if value[1] is None else int(value[1]) for value in column],
            )
            for uuid, column in columns.items()
        },
    )
