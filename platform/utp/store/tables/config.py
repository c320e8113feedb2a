"""Table `configs`: each `TrainConfig` once, however many runs share it."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, LongText, Time


class Config(Base):
    """One config; never changed."""

    __tablename__ = "configs"

    id: Mapped[Id] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    """`config.loading.config_hash`."""
    content: Mapped[LongText]
    """JSON of `config.loading.dump_config`, as the job gets it."""
    created_at: Mapped[Time]
