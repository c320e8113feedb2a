"""Registered models: versions of checkpoints with where they come from, and their stages with their history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from utp.store.access import Stage
from utp.store.database import Transaction
from utp.store.errors import Conflict, NotFound, RunNotFound
from utp.store.ids import new_id
from utp.store.recorder.creation import CreationKey, once
from utp.store.recorder.writer import Writer
from utp.store.tables.checkpoint import Checkpoint
from utp.store.tables.dataset_version import DatasetVersion
from utp.store.tables.model_stage_change import ModelStageChange
from utp.store.tables.model_version import ModelVersion
from utp.store.tables.registered_model import RegisteredModel
from utp.store.tables.run import Run

Check = Callable[[Mapping[str, Any]], None]
"""Gets the row as it is, and raises where the change is meant for another state."""


class ModelWriter(Writer):
    """Registers models and promotes their versions."""

    def add_model(
        self, project_id: str, name: str, *, description: str, by: str, creation: CreationKey | None = None
    ) -> str:
        """Register a name; return its id. Raises `Conflict` for one that the project has."""

        def create(tx: Transaction) -> str:
            _check_name_is_free(tx, project_id, name)
            row = {"id": new_id(), "project_id": project_id, "name": name, "description": description}
            times = {"created_at": tx.now, "updated_at": tx.now}
            tx.connection.execute(insert(RegisteredModel).values(**row, created_by=by, **times))
            return row["id"]

        return self._database.write(lambda tx: once(tx, creation, lambda: create(tx)))

    def change_model(self, model_id: str, changes: Mapping[str, Any], check: Check) -> None:
        """Change name or description. Raises `NotFound`, `Conflict`, and what `check` raises."""

        def work(tx: Transaction) -> None:
            row = _find_model(tx, model_id)
            check(row)
            if changes.get("name", row["name"]) != row["name"]:
                _check_name_is_free(tx, row["project_id"], changes["name"])
            news = {**changes, "updated_at": tx.now, "version": row["version"] + 1}
            tx.connection.execute(update(RegisteredModel).where(RegisteredModel.id == model_id).values(news))

        self._database.write(work)

    def remove_model(self, model_id: str) -> None:
        """Remove a model with all versions. Raises `NotFound`, `Conflict` while one is in production."""

        def work(tx: Transaction) -> None:
            _find_model(tx, model_id)
            live = (ModelVersion.model_id == model_id, ModelVersion.stage == Stage.PRODUCTION)
            if tx.connection.scalar(select(ModelVersion.version).where(*live)) is not None:
                raise Conflict("a version of the model is in production", "archive that version first")
            tx.connection.execute(delete(RegisteredModel).where(RegisteredModel.id == model_id))

        self._database.write(work)

    def add_model_version(
        self, model_id: str, run_id: str, checkpoint: str, *, note: str, by: str, creation: CreationKey | None = None
    ) -> int:
        """Register a checkpoint as the next version; what it comes from is copied. Return its number.

        Raises:
            NotFound: there is no such model or checkpoint.
            RunNotFound: there is no such run.
        """

        def create(tx: Transaction) -> str:
            model = _find_model(tx, model_id)
            origin = _read_origin(tx, model["project_id"], run_id, checkpoint)
            newest = select(func.coalesce(func.max(ModelVersion.version), 0)).where(ModelVersion.model_id == model_id)
            version = tx.connection.execute(newest).scalar_one() + 1
            row = {"model_id": model_id, "version": version, "checkpoint": checkpoint, "note": note, "created_by": by}
            times = {"created_at": tx.now, "updated_at": tx.now}
            tx.connection.execute(insert(ModelVersion).values(**row, **origin, **times, stage=Stage.NONE))
            _note_stage(tx, model_id, version, Stage.NONE, by)
            return str(version)

        return int(self._database.write(lambda tx: once(tx, creation, lambda: create(tx))))

    def change_model_version(
        self, model_id: str, version: int, *, stage: Stage | None, note: str | None, by: str, check: Check
    ) -> None:
        """Change stage or note; who comes into production sends the one before into the archive.

        Raises:
            NotFound: there is no such version.
            And what `check` raises.
        """

        def work(tx: Transaction) -> None:
            row = _find_version(tx, model_id, version)
            check(row)
            if note is not None:
                _change(tx, model_id, version, note=note)
            if stage is None or stage == row["stage"]:
                return
            if stage is Stage.PRODUCTION:
                live = (ModelVersion.model_id == model_id, ModelVersion.stage == Stage.PRODUCTION)
                for one in tx.connection.scalars(select(ModelVersion.version).where(*live)).all():
                    _set_stage(tx, model_id, one, Stage.ARCHIVED, by)
            _set_stage(tx, model_id, version, stage, by)

        self._database.write(work)

    def remove_model_version(self, model_id: str, version: int) -> None:
        """Remove a version; its number is not given out again while later ones are there. Raises as `remove_model`."""

        def work(tx: Transaction) -> None:
            if _find_version(tx, model_id, version)["stage"] == Stage.PRODUCTION:
                raise Conflict("the version is in production", "archive it, or promote another one, first")
            mine = (ModelVersion.model_id == model_id, ModelVersion.version == version)
            tx.connection.execute(delete(ModelVersion).where(*mine))

        self._database.write(work)


def _find_model(tx: Transaction, model_id: str) -> Mapping[str, Any]:
    query = select(RegisteredModel.__table__).where(RegisteredModel.id == model_id)
    row = tx.connection.execute(query).mappings().first()
    if row is None:
        raise NotFound("model", model_id)
    return dict(row)


def _find_version(tx: Transaction, model_id: str, version: int) -> Mapping[str, Any]:
    mine = (ModelVersion.model_id == model_id, ModelVersion.version == version)
    row = tx.connection.execute(select(ModelVersion.__table__).where(*mine)).mappings().first()
    if row is None:
        raise NotFound("version", str(version))
    return dict(row)


def _check_name_is_free(tx: Transaction, project_id: str, name: str) -> None:
    same = (RegisteredModel.project_id == project_id, RegisteredModel.name == name)
    if tx.connection.scalar(select(RegisteredModel.id).where(*same)) is not None:
        raise Conflict(f"the project has a model {name!r} already", "add a version to it, or choose another name")


def _read_origin(tx: Transaction, project_id: str, run_id: str, checkpoint: str) -> Mapping[str, Any]:
    """Return what a version keeps of its run and checkpoint."""
    query = select(Run.project_id, Run.name, Run.config_id, Run.metrics, DatasetVersion.fingerprint)
    query = query.outerjoin(DatasetVersion, DatasetVersion.id == Run.dataset_version_id)
    run = tx.connection.execute(query.where(Run.id == run_id, Run.deleted_at.is_(None))).first()
    if run is None or run.project_id != project_id:
        raise RunNotFound(run_id)
    mine = (Checkpoint.run_id == run_id, Checkpoint.name == checkpoint)
    found = tx.connection.execute(select(Checkpoint.is_best, Checkpoint.metric, Checkpoint.value).where(*mine)).first()
    if found is None:
        raise NotFound("checkpoint", checkpoint)
    own = {found.metric: found.value} if found.metric is not None else {}
    metrics = {**(run.metrics or {}), **own} if found.is_best else own  # the final ones are those of the best
    return {
        "run_id": run_id,
        "run_name": run.name,
        "config_id": run.config_id,
        "dataset_fingerprint": run.fingerprint,
        "metrics": metrics,
    }


def _change(tx: Transaction, model_id: str, version: int, **values: Any) -> None:
    mine = (ModelVersion.model_id == model_id, ModelVersion.version == version)
    tx.connection.execute(update(ModelVersion).where(*mine).values(**values, updated_at=tx.now))


def _set_stage(tx: Transaction, model_id: str, version: int, stage: Stage, by: str) -> None:
    _change(tx, model_id, version, stage=stage)
    _note_stage(tx, model_id, version, stage, by)


def _note_stage(tx: Transaction, model_id: str, version: int, stage: Stage, by: str) -> None:
    row = {"model_id": model_id, "version": version, "stage": stage, "by": by, "at": tx.now}
    tx.connection.execute(insert(ModelStageChange).values(row))
