"""Table `agents`: the machines of the cluster."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Time


class Agent(Base):
    """One node, as its probe last saw it."""

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(primary_key=True)
    """Ray's node id."""
    hostname: Mapped[str]
    address: Mapped[str]
    is_alive: Mapped[bool]
    is_draining: Mapped[bool] = mapped_column(default=False)
    facts: Mapped[dict[str, Any]]
    """CPUs, memory, disk and shared memory, in the units of their names."""
    joined_at: Mapped[Time]
    seen_at: Mapped[Time]
    left_at: Mapped[Time | None]
