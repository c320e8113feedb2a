"""Table `runs`: what was asked for, where it stands, and how far and how good it got."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from utp.errors import FailureKind
from utp.store.states import Health, RunState, Wish
from utp.store.tables.base import Base, Id, LongText, Size, Time


class Run(Base):
    """One run; only the recorder changes it."""

    __tablename__ = "runs"
    __table_args__ = (
        Index(None, "state", "priority", "queued_seq"),  # the queue
        Index(None, "project_id", "id"),  # newest of a project
        Index(None, "owner", "id"),
        Index(None, "group_id"),
        Index(None, "saved_config_id"),
        Index(
            "ix_runs_shown",  # lists: what is neither archived nor deleted, newest first, and how many there are
            "created_at",
            "id",
            "project_id",
            sqlite_where=text("archived_at IS NULL AND deleted_at IS NULL"),
            postgresql_where=text("archived_at IS NULL AND deleted_at IS NULL"),
        ),
    )

    id: Mapped[Id] = mapped_column(primary_key=True)
    project_id: Mapped[Id] = mapped_column(ForeignKey("projects.id"))
    group_id: Mapped[Id | None] = mapped_column(ForeignKey("experiment_groups.id"))
    config_id: Mapped[Id] = mapped_column(ForeignKey("configs.id"))
    dataset_id: Mapped[Id | None] = mapped_column(ForeignKey("datasets.id"))
    dataset_version_id: Mapped[Id | None] = mapped_column(ForeignKey("dataset_versions.id"))
    owner: Mapped[str] = mapped_column(default="")
    name: Mapped[str]
    run_dir: Mapped[str] = mapped_column(unique=True)
    checkpoint_dir: Mapped[str] = mapped_column(unique=True)
    request: Mapped[dict[str, Any]]
    """`RunRequest` as JSON."""
    tags: Mapped[list[str]] = mapped_column(default=list)
    notes: Mapped[LongText] = mapped_column(default="", server_default=text("''"))
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    saved_config_id: Mapped[Id | None]
    """Named config that it was started from; no foreign key, since SQLite would have to copy the table for one."""
    parent_run_id: Mapped[Id | None]
    """Run that it is a clone of; may be gone."""

    state: Mapped[RunState]
    attempt: Mapped[int] = mapped_column(default=0)
    """Number of the newest attempt, the fencing token; 0 before the first."""
    wish: Mapped[Wish] = mapped_column(default=Wish.NONE)
    wished_by: Mapped[str] = mapped_column(default="")
    health: Mapped[Health] = mapped_column(default=Health.OK)
    health_detail: Mapped[LongText] = mapped_column(default="")
    retries: Mapped[int] = mapped_column(default=0)
    """Charged retries since a person last started the run."""
    failure_kind: Mapped[FailureKind | None]
    message: Mapped[LongText | None]
    """What the last attempt that ended said."""

    priority: Mapped[int] = mapped_column(default=0)
    queued_seq: Mapped[Size | None]
    """Number of the event that queued it: its age in the queue, whatever the clocks say."""
    not_before: Mapped[Time | None]
    """Back-off: no attempt starts before."""
    wait_reason: Mapped[LongText] = mapped_column(default="")
    position: Mapped[int | None]
    """Place in the queue, from 1; none unless queued."""
    starts_at: Mapped[Time | None]
    """Estimate of its start; none unless queued."""

    step: Mapped[int] = mapped_column(default=0)
    total_steps: Mapped[int | None]
    epoch: Mapped[int] = mapped_column(default=0)
    epochs: Mapped[int | None]
    best_metric: Mapped[str | None]
    best_value: Mapped[float | None]
    best_epoch: Mapped[int | None]
    metrics: Mapped[dict[str, Any] | None]
    """Final metrics."""
    run_time_s: Mapped[float] = mapped_column(default=0.0)
    """Seconds that the ended attempts trained, all together."""

    created_at: Mapped[Time]
    queued_at: Mapped[Time | None]
    started_at: Mapped[Time | None]
    ended_at: Mapped[Time | None]
    archived_at: Mapped[Time | None]
    deleted_at: Mapped[Time | None]
    """Its files are being removed; it can't be started any more."""
