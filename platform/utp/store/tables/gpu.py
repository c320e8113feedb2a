"""Table `gpus`: the GPUs of the cluster's machines."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, LongText, Size, Time


class Gpu(Base):
    """One GPU, as its node's probe last saw it."""

    __tablename__ = "gpus"

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True)
    """As CUDA counts on its machine, from 0."""
    uuid: Mapped[str]
    model: Mapped[str]
    memory_total_bytes: Mapped[Size | None]
    memory_used_bytes: Mapped[Size | None]
    utilisation: Mapped[float | None]
    """Share of the last sampling period in which a kernel ran, 0 to 1."""
    temperature_c: Mapped[float | None]
    power_w: Mapped[float | None]
    processes: Mapped[list[dict[str, Any]]]
    """Each with its `pid`, `memory_bytes` and whether it `is_ours`."""
    is_logical: Mapped[bool] = mapped_column(default=False)
    """Ray was told of it, and it is not there."""
    is_quarantined: Mapped[bool] = mapped_column(default=False)
    """Its jobs stay, and it gets no new one."""
    quarantine_reason: Mapped[LongText] = mapped_column(default="")
    seen_at: Mapped[Time]
