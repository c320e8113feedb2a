"""Table `agent_samples`: what a machine did lately; a ring, so that it never grows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Size, Time


class AgentSample(Base):
    """One moment of one machine."""

    __tablename__ = "agent_samples"

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[Time]
    cpu_percent: Mapped[float | None]
    memory_used_bytes: Mapped[Size | None]
    gpus: Mapped[dict[str, Any]]
    """`{uuid: [utilization_percent, memory_used_bytes]}`."""
