"""Experiment groups: made, changed, dissolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select, update

from utp.store.database import Transaction
from utp.store.errors import Conflict, NotFound
from utp.store.ids import new_id
from utp.store.recorder.creation import CreationKey, once
from utp.store.recorder.projects import Check
from utp.store.recorder.writer import Writer
from utp.store.tables.experiment_group import ExperimentGroup
from utp.store.tables.run import Run


class GroupWriter(Writer):
    """Writes groups."""

    def add_group(
        self, project_id: str, name: str, *, description: str = "", creation: CreationKey | None = None
    ) -> str:
        """Add a group and return its id. Raises `Conflict` for a name that the project has."""

        def create(tx: Transaction) -> str:
            _check_name(tx, project_id, name, "")
            group_id = new_id()
            row = {"id": group_id, "project_id": project_id, "name": name, "description": description}
            tx.connection.execute(insert(ExperimentGroup).values(**row, created_at=tx.now))
            return group_id

        return self._database.write(lambda tx: once(tx, creation, lambda: create(tx)))

    def change_group(self, group_id: str, changes: Mapping[str, Any], check: Check) -> None:
        """Change name or description. Raises `NotFound`, `Conflict`, and what `check` does with the old row."""

        def work(tx: Transaction) -> None:
            query = select(ExperimentGroup.__table__).where(ExperimentGroup.id == group_id)
            row = tx.connection.execute(query).mappings().first()
            if row is None:
                raise NotFound("group", group_id)
            check(dict(row))
            _check_name(tx, row["project_id"], changes.get("name", row["name"]), group_id)
            if changes:
                change = update(ExperimentGroup).where(ExperimentGroup.id == group_id)
                tx.connection.execute(change.values(**changes))

        self._database.write(work)

    def delete_group(self, group_id: str) -> None:
        """Dissolve a group; its runs stay. Raises `NotFound`."""

        def work(tx: Transaction) -> None:
            tx.connection.execute(update(Run).where(Run.group_id == group_id).values(group_id=None))
            if not tx.connection.execute(delete(ExperimentGroup).where(ExperimentGroup.id == group_id)).rowcount:
                raise NotFound("group", group_id)

        self._database.write(work)


def _check_name(tx: Transaction, project_id: str, name: str, group_id: str) -> None:
    taken = (ExperimentGroup.project_id == project_id, ExperimentGroup.name == name, ExperimentGroup.id != group_id)
    if tx.connection.scalar(select(ExperimentGroup.id).where(*taken)):
        raise Conflict(f"the project has a group {name!r} already", "choose another name")
