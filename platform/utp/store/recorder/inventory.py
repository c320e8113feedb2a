"""Machines and GPUs, as their probes see them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import delete, insert, select, update

from utp.store.database import Transaction
from utp.store.recorder.writer import Writer
from utp.store.tables.agent import Agent
from utp.store.tables.gpu import Gpu


@dataclass(frozen=True, kw_only=True)
class AgentFacts:
    """One machine."""

    id: str
    """Ray's node id."""
    hostname: str
    address: str
    is_alive: bool = True
    is_draining: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    """CPUs, memory, disk and shared memory, in the units of their names."""


@dataclass(frozen=True, kw_only=True)
class GpuFacts:
    """One GPU of a machine."""

    index: int
    uuid: str
    model: str
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    utilisation: float | None = None
    """0 to 1."""
    temperature_c: float | None = None
    power_w: float | None = None
    processes: Sequence[Mapping[str, Any]] = ()
    is_logical: bool = False
    is_quarantined: bool = False
    quarantine_reason: str = ""


class InventoryWriter(Writer):
    """Keeps the rows of agents and GPUs."""

    def upsert_agent(self, agent: AgentFacts) -> None:
        """Add a machine, or bring its row up to date; whether a known one drains stays as it was decided."""

        def work(tx: Transaction) -> None:
            row = {**asdict(agent), "seen_at": tx.now, "left_at": None if agent.is_alive else tx.now}
            draining = row.pop("is_draining")
            if not tx.connection.execute(update(Agent).where(Agent.id == agent.id).values(row)).rowcount:
                tx.connection.execute(insert(Agent).values(**row, is_draining=draining, joined_at=tx.now))

        self._database.write(work)

    def upsert_gpus(self, agent_id: str, gpus: Sequence[GpuFacts]) -> None:
        """Put these in place of all GPUs of a machine, which has to be there; known quarantine stays, by UUID."""

        def work(tx: Transaction) -> None:
            reasons = select(Gpu.uuid, Gpu.quarantine_reason).where(Gpu.is_quarantined.is_(True))
            quarantined = {row.uuid: row.quarantine_reason for row in tx.connection.execute(reasons)}
            tx.connection.execute(delete(Gpu).where(Gpu.agent_id == agent_id))
            rows = [{**asdict(gpu), "processes": list(gpu.processes)} for gpu in gpus]
            for row in rows:
                if row["uuid"] in quarantined:
                    row.update(is_quarantined=True, quarantine_reason=quarantined[row["uuid"]])
            if rows:
                tx.connection.execute(insert(Gpu), [{**row, "agent_id": agent_id, "seen_at": tx.now} for row in rows])

        self._database.write(work)

    def mark_agents_gone(self, present: Collection[str]) -> list[str]:
        """Mark all machines away that are not among these; return the ids of those that were there until now."""

        def work(tx: Transaction) -> list[str]:
            away = (Agent.id.not_in(list(present)), Agent.is_alive.is_(True))
            left = update(Agent).where(*away).values(is_alive=False, left_at=tx.now).returning(Agent.id)
            return sorted(tx.connection.scalars(left))

        return self._database.write(work)

    def forget_agents(self, gone_for_s: float) -> None:
        """Remove machines that left so long ago: they come back as others. Those with a GPU in quarantine stay."""
        decided = select(Gpu.agent_id).where(Gpu.is_quarantined.is_(True))

        def work(tx: Transaction) -> None:
            old = (Agent.is_alive.is_(False), Agent.left_at < tx.now - gone_for_s, Agent.id.not_in(decided))
            tx.connection.execute(delete(Agent).where(*old))

        self._database.write(work)

    def quarantine_gpu(self, uuid: str, reason: str) -> bool:
        """Offer a GPU to no new run; the first reason stays. False if no GPU with this UUID is known."""

        def work(tx: Transaction) -> bool:
            of_gpu = update(Gpu).where(Gpu.uuid == uuid)
            news = {"is_quarantined": True, "quarantine_reason": reason}
            tx.connection.execute(of_gpu.where(Gpu.is_quarantined.is_(False)).values(news))
            return tx.connection.scalar(select(Gpu.uuid).where(Gpu.uuid == uuid).limit(1)) is not None

        return self._database.write(work)

    def release_gpu(self, uuid: str) -> bool:
        """Offer a GPU again. False if no GPU with this UUID is known."""
        change = update(Gpu).where(Gpu.uuid == uuid).values(is_quarantined=False, quarantine_reason="")
        return self._database.write(lambda tx: bool(tx.connection.execute(change).rowcount))

    def set_draining(self, agent_id: str, is_draining: bool) -> bool:
        """Start nothing new on a machine, or let it take part again. False if it is not known."""
        change = update(Agent).where(Agent.id == agent_id).values(is_draining=is_draining)
        return self._database.write(lambda tx: bool(tx.connection.execute(change).rowcount))
