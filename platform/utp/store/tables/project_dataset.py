"""Table `project_datasets`: which projects use a dataset, and what each calls it."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from utp.store.tables.base import Base, Id, Time


class ProjectDataset(Base):
    """One dataset of one project."""

    __tablename__ = "project_datasets"
    __table_args__ = (Index(None, "dataset_id"),)

    project_id: Mapped[Id] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    dataset_id: Mapped[Id] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str]
    created_by: Mapped[str] = mapped_column(default="")
    created_at: Mapped[Time]
