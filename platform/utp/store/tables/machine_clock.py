"""Table `machine_clocks`: on SQLite, what time it was when this machine booted, as first noted."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Time


class MachineClock(Base):
    """One boot of the machine; see `store.clock`."""

    __tablename__ = "machine_clocks"

    boot_id: Mapped[str] = mapped_column(primary_key=True)
    booted_at: Mapped[Time]
