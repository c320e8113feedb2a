"""Table `dataset_versions`: what a dataset's folder held when a run read it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, Time


class DatasetVersion(Base):
    """One content of a dataset, known by its fingerprint."""

    __tablename__ = "dataset_versions"
    __table_args__ = (UniqueConstraint("dataset_id", "fingerprint"),)

    id: Mapped[Id] = mapped_column(primary_key=True)
    dataset_id: Mapped[Id] = mapped_column(ForeignKey("datasets.id"))
    fingerprint: Mapped[str]
    summary: Mapped[dict[str, Any]]
    """Counts per split and class."""
    created_at: Mapped[Time]
