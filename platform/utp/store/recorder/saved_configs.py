"""Named configs of projects: saved, changed as long as no run was started from them, archived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, update

from utp.config.train import TrainConfig
from utp.store.database import Transaction
from utp.store.errors import Conflict, NotFound
from utp.store.ids import new_id
from utp.store.recorder.creation import CreationKey, once
from utp.store.recorder.projects import Check
from utp.store.recorder.queueing import add_config
from utp.store.recorder.writer import Writer
from utp.store.tables.run import Run
from utp.store.tables.saved_config import SavedConfig


class SavedConfigWriter(Writer):
    """Writes named configs."""

    def save_config(
        self,
        project_id: str,
        name: str,
        config: TrainConfig,
        *,
        description: str = "",
        created_by: str = "",
        creation: CreationKey | None = None,
    ) -> str:
        """Save a config under a name and return the id. Raises `Conflict` for a name that the project has."""

        def create(tx: Transaction) -> str:
            _check_name(tx, project_id, name, "")
            saved_id = new_id()
            row = {"id": saved_id, "project_id": project_id, "name": name, "description": description}
            row |= {"config_id": add_config(tx, config), "created_by": created_by}
            tx.connection.execute(insert(SavedConfig).values(**row, created_at=tx.now, updated_at=tx.now))
            return saved_id

        return self._database.write(lambda tx: once(tx, creation, lambda: create(tx)))

    def change_saved_config(
        self, saved_id: str, changes: Mapping[str, Any], config: TrainConfig | None, check: Check
    ) -> None:
        """Change name, description or content.

        Raises:
            NotFound: there is no such config.
            Conflict: the name is taken, or runs were started from the content.
        """

        def work(tx: Transaction) -> None:
            row = (
                tx.connection.execute(select(SavedConfig.__table__).where(SavedConfig.id == saved_id))
                .mappings()
                .first()
            )
            if row is None:
                raise NotFound("config", saved_id)
            check(dict(row))
            _check_name(tx, row["project_id"], changes.get("name", row["name"]), saved_id)
            values = dict(changes)
            if config is not None:
                values["config_id"] = add_config(tx, config)
                if values["config_id"] != row["config_id"]:
                    _check_unused(tx, saved_id)
            tx.connection.execute(
                update(SavedConfig).where(SavedConfig.id == saved_id).values(**values, updated_at=tx.now)
            )

        self._database.write(work)

    def archive_saved_config(self, saved_id: str, *, is_archived: bool = True) -> None:
        """Hide a named config from lists, or show it again. Raises `NotFound`."""

        def work(tx: Transaction) -> None:
            change = update(SavedConfig).where(SavedConfig.id == saved_id)
            archived = {"archived_at": tx.now if is_archived else None, "updated_at": tx.now}
            if not tx.connection.execute(change.values(archived)).rowcount:
                raise NotFound("config", saved_id)

        self._database.write(work)


def _check_name(tx: Transaction, project_id: str, name: str, saved_id: str) -> None:
    taken = (SavedConfig.project_id == project_id, SavedConfig.name == name, SavedConfig.id != saved_id)
    if tx.connection.scalar(select(SavedConfig.id).where(*taken)):
        raise Conflict(f"the project has a config {name!r} already", "choose another name")


def _check_unused(tx: Transaction, saved_id: str) -> None:
    if tx.connection.scalar(select(Run.id).where(Run.saved_config_id == saved_id).limit(1)):
        raise Conflict("runs were started from this config", "clone it and change the copy")
