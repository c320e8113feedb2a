"""Table `model_stage_changes`: when a version of a model came to which stage, and by whom."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.access import Stage
from utp.store.tables.base import Base, Id, Size, Time


class ModelStageChange(Base):
    """One change of stage."""

    __tablename__ = "model_stage_changes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["model_id", "version"], ["model_versions.model_id", "model_versions.version"], ondelete="CASCADE"
        ),
        Index(None, "model_id", "version"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[Size] = mapped_column(primary_key=True, autoincrement=True)
    model_id: Mapped[Id]
    version: Mapped[int]
    stage: Mapped[Stage]
    by: Mapped[str]
    at: Mapped[Time]
