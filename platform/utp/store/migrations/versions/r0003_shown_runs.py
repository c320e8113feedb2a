"""An index for lists of runs: 10,000 of them were sorted and counted for each page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the index."""
    shown = sa.text("archived_at IS NULL AND deleted_at IS NULL")
    op.create_index(
        "ix_runs_shown", "runs", ["created_at", "id", "project_id"], sqlite_where=shown, postgresql_where=shown
    )
