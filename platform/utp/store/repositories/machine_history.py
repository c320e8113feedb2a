"""What machines did, from the finest ring that goes back far enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from utp.store.database import Database
from utp.store.recorder.machine_samples import RINGS
from utp.store.tables.agent_sample import AgentSample


@dataclass(frozen=True, kw_only=True)
class MachineMoment:
    """One sample; `at` is in seconds since 1970, UTC."""

    at: float
    cpu_percent: float | None
    memory_used_bytes: int | None
    gpus: Mapping[str, Sequence[float | None]]
    """UUID to utilisation in percent and used memory in bytes."""


class MachineHistoryRepository:
    """Queries over what machines did."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, agent_id: str, first_at: float | None, last_at: float | None = None) -> list[MachineMoment]:
        """Return the samples of a machine from `first_at` on (None: of the last hour), the oldest first."""
        with self._database.read() as connection:
            now = self._database.now(connection)
            first_at = now - RINGS[0].length_s if first_at is None else first_at
            ring = next((ring for ring in RINGS if now - first_at <= ring.length_s), RINGS[-1])
            columns = [getattr(AgentSample, name) for name in MachineMoment.__dataclass_fields__]
            slots = AgentSample.slot.between(ring.first_slot, ring.first_slot + ring.num_slots - 1)
            oldest = max(first_at, now - ring.length_s)
            query = select(*columns).where(AgentSample.agent_id == agent_id, slots, AgentSample.at >= oldest)
            if last_at is not None:
                query = query.where(AgentSample.at <= last_at)
            rows = connection.execute(query.order_by(AgentSample.at))
            return [MachineMoment(**row._mapping) for row in rows]

    def now(self) -> float:
        """Return the seconds since 1970 by the database's clock."""
        with self._database.read() as connection:
            return self._database.now(connection)
