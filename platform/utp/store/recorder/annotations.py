"""What people write on runs: tags, notes, group, priority."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from utp.store.database import Transaction
from utp.store.errors import NotFound, RunNotFound
from utp.store.recorder.projects import Check
from utp.store.recorder.writer import Writer, append_event
from utp.store.tables.experiment_group import ExperimentGroup
from utp.store.tables.run import Run

ANNOTATIONS = ("tags", "notes", "group_id", "priority", "archived_at")
"""Columns that an edit may change, the state that its ETag is made of."""


class AnnotationWriter(Writer):
    """Writes annotations."""

    def annotate_run(
        self, run_id: str, changes: Mapping[str, Any], check: Check, *, is_archived: bool | None = None
    ) -> None:
        """Change annotations of a run in one transaction.

        Raises:
            RunNotFound: there is no such run.
            NotFound: the group is none of the run's project.
        """

        def work(tx: Transaction) -> None:
            row = tx.connection.execute(select(Run.__table__).where(Run.id == run_id)).mappings().first()
            if row is None:
                raise RunNotFound(run_id)
            check(dict(row))
            group_id = changes.get("group_id")
            if group_id is not None:
                mine = (ExperimentGroup.id == group_id, ExperimentGroup.project_id == row["project_id"])
                if tx.connection.scalar(select(ExperimentGroup.id).where(*mine)) is None:
                    raise NotFound("group", group_id)
            values = dict(changes)
            if is_archived is not None and is_archived != (row["archived_at"] is not None):
                values["archived_at"] = tx.now if is_archived else None
            if values:
                tx.connection.execute(update(Run).where(Run.id == run_id).values(values))
                append_event(tx, run_id, row["attempt"], "changed", data={"fields": sorted(values)})

        self._database.write(work)
