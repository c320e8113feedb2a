"""What machines did lately, in rings of three resolutions: the tables never grow, and any replica can draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, tuple_

from utp.store.database import Transaction
from utp.store.recorder.writer import Writer
from utp.store.tables.agent import Agent
from utp.store.tables.agent_sample import AgentSample


@dataclass(frozen=True)
class Ring:
    """Slots of one resolution; the first one of each moment's period is kept."""

    period_s: float
    num_slots: int
    first_slot: int

    @property
    def length_s(self) -> float:
        """How far back it goes."""
        return self.period_s * self.num_slots

    def slot(self, at: float) -> int:
        """Return the slot of a moment."""
        return self.first_slot + int(at // self.period_s) % self.num_slots


RINGS = (Ring(10.0, 360, 0), Ring(60.0, 1440, 360), Ring(600.0, 4320, 1800))
"""An hour, a day, 30 days: 6,120 rows a machine, about 1 MB with 8 GPUs."""


@dataclass(frozen=True, kw_only=True)
class MachineSample:
    """One moment of one machine."""

    agent_id: str
    cpu_percent: float | None
    memory_used_bytes: int | None
    gpus: Mapping[str, tuple[float | None, int | None]]
    """UUID to utilisation in percent and used memory in bytes."""


class SampleWriter(Writer):
    """Fills the rings."""

    def record_samples(self, samples: Sequence[MachineSample]) -> None:
        """Note what known machines do now; of several within 10 s the first stays."""

        def work(tx: Transaction) -> None:
            known = set(tx.connection.scalars(select(Agent.id).where(Agent.id.in_([one.agent_id for one in samples]))))
            rows = {(one.agent_id, ring.slot(tx.now)): (one, ring) for one in samples for ring in RINGS}
            keys = tuple_(AgentSample.agent_id, AgentSample.slot)
            query = select(AgentSample.agent_id, AgentSample.slot, AgentSample.at).where(keys.in_(list(rows)))
            present = {(row.agent_id, row.slot): row.at for row in tx.connection.execute(query)}
            new = [
                key
                for key, (one, ring) in rows.items()
                if one.agent_id in known and present.get(key, 0.0) // ring.period_s != tx.now // ring.period_s
            ]
            if not new:
                return
            tx.connection.execute(delete(AgentSample).where(keys.in_(new)))
            tx.connection.execute(insert(AgentSample), [_row(rows[key][0], key[1], tx.now) for key in new])

        if samples:
            self._database.write(work)


def _row(sample: MachineSample, slot: int, at: float) -> dict[str, object]:
    return {
        "agent_id": sample.agent_id,
        "slot": slot,
        "at": at,
        "cpu_percent": sample.cpu_percent,
        "memory_used_bytes": sample.memory_used_bytes,
        "gpus": {uuid: list(values) for uuid, values in sample.gpus.items()},
    }
