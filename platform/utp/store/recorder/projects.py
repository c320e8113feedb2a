"""Projects and groups: made, changed, archived."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import insert, select, update

from utp.store.database import Transaction
from utp.store.errors import Conflict, NotFound
from utp.store.ids import new_id
from utp.store.recorder.creation import CreationKey, once
from utp.store.recorder.writer import Writer
from utp.store.tables.project import Project
from utp.store.tables.project_member import ProjectMember

Check = Callable[[Mapping[str, Any]], None]
"""Gets the row as it stands in the transaction, and raises where it is not what the change is meant for."""


class ProjectWriter(Writer):
    """Writes projects."""

    def add_project(
        self,
        name: str,
        *,
        description: str = "",
        max_gpus: int | None = None,
        member_id: str | None = None,
        creation: CreationKey | None = None,
    ) -> str:
        """Add a project with its first member, and return its id. Raises `Conflict` for a name that is taken."""

        def create(tx: Transaction) -> str:
            if tx.connection.scalar(select(Project.id).where(Project.name == name)):
                raise Conflict(f"there is a project {name!r} already", "choose another name, or use that project")
            project_id = new_id()
            row = {"id": project_id, "name": name, "description": description, "max_gpus": max_gpus}
            tx.connection.execute(insert(Project).values(**row, created_at=tx.now, updated_at=tx.now))
            if member_id is not None:
                member = {"project_id": project_id, "user_id": member_id, "added_at": tx.now}
                tx.connection.execute(insert(ProjectMember).values(**member))
            return project_id

        return self._database.write(lambda tx: once(tx, creation, lambda: create(tx)))

    def change_project(self, project_id: str, changes: Mapping[str, Any], check: Check) -> None:
        """Change columns of a project. Raises `NotFound`, `Conflict` for a taken name, and what `check` does."""

        def work(tx: Transaction) -> None:
            row = tx.connection.execute(select(Project.__table__).where(Project.id == project_id)).mappings().first()
            if row is None:
                raise NotFound("project", project_id)
            check(dict(row))
            name = changes.get("name", row["name"])
            if tx.connection.scalar(select(Project.id).where(Project.name == name, Project.id != project_id)):
                raise Conflict(f"there is a project {name!r} already", "choose another name")
            change = update(Project).where(Project.id == project_id)
            tx.connection.execute(change.values(**changes, updated_at=tx.now))

        self._database.write(work)

    def archive_project(self, project_id: str, *, is_archived: bool = True) -> None:
        """Hide a project from lists, or show it again. Raises `NotFound`."""

        def work(tx: Transaction) -> None:
            change = update(Project).where(Project.id == project_id)
            archived = {"archived_at": tx.now if is_archived else None, "updated_at": tx.now}
            if not tx.connection.execute(change.values(archived)).rowcount:
                raise NotFound("project", project_id)

        self._database.write(work)
