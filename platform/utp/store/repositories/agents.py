"""Machines and GPUs, those that are away too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from utp.store.database import Database
from utp.store.tables.agent import Agent
from utp.store.tables.gpu import Gpu


@dataclass(frozen=True, kw_only=True)
class GpuRow:
    """One GPU."""

    index: int
    uuid: str
    model: str
    memory_total_bytes: int | None
    memory_used_bytes: int | None
    utilisation: float | None
    temperature_c: float | None
    power_w: float | None
    processes: Sequence[Mapping[str, Any]]
    is_logical: bool
    is_quarantined: bool
    quarantine_reason: str


@dataclass(frozen=True, kw_only=True)
class AgentRow:
    """One machine; times are seconds since 1970, UTC."""

    id: str
    hostname: str
    address: str
    is_alive: bool
    is_draining: bool
    facts: Mapping[str, Any]
    joined_at: float
    seen_at: float
    left_at: float | None
    gpus: Sequence[GpuRow]


class AgentRepository:
    """Queries over machines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_agents(self, *, with_gone: bool = False, agent_id: str | None = None) -> list[AgentRow]:
        """Return the machines by name, or the one with this id, each with its GPUs."""
        columns = [getattr(Agent, name) for name in AgentRow.__dataclass_fields__ if name != "gpus"]
        query = select(*columns).order_by(Agent.hostname, Agent.joined_at)
        if not with_gone:
            query = query.where(Agent.is_alive.is_(True))
        if agent_id is not None:
            query = query.where(Agent.id == agent_id)
        gpu_columns = [getattr(Gpu, name) for name in GpuRow.__dataclass_fields__]
        with self._database.read() as connection:
            gpus: dict[str, list[GpuRow]] = defaultdict(list)
            for owner_id, *values in connection.execute(select(Gpu.agent_id, *gpu_columns).order_by(Gpu.index)):
                gpus[owner_id].append(GpuRow(**dict(zip(GpuRow.__dataclass_fields__, values, strict=True))))
            return [AgentRow(**row._mapping, gpus=gpus[row.id]) for row in connection.execute(query)]
