"""Table `model_versions`: checkpoints that were registered, with where they come from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.access import Stage
from utp.store.tables.base import Base, Id, LongText, Time


class ModelVersion(Base):
    """One version; what it was made of is copied, since the run may be deleted."""

    __tablename__ = "model_versions"
    __table_args__ = (Index(None, "run_id"),)

    model_id: Mapped[Id] = mapped_column(ForeignKey("registered_models.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[Id | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"))
    run_name: Mapped[str]
    checkpoint: Mapped[str]
    stage: Mapped[Stage] = mapped_column(default=Stage.NONE)
    note: Mapped[LongText] = mapped_column(default="")
    metrics: Mapped[dict[str, Any] | None]
    dataset_fingerprint: Mapped[str | None]
    config_id: Mapped[Id | None] = mapped_column(ForeignKey("configs.id"))
    created_by: Mapped[str] = mapped_column(default="")
    created_at: Mapped[Time]
    updated_at: Mapped[Time]
