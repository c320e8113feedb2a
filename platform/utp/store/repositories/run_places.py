"""Where a run's files lie, and which of its attempts is the newest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from utp.store.database import Database
from utp.store.prepared import Prepared
from utp.store.states import RunState
from utp.store.tables.dataset import Dataset
from utp.store.tables.run import Run


@dataclass(frozen=True)
class RunPlace:
    """Where a run lies and stands."""

    run_id: str
    project_id: str
    name: str
    attempt: int
    """The newest; 0 before the first."""
    state: RunState
    run_dir: str
    checkpoint_dir: str


class RunPlaces:
    """Finds runs by their id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, run_id: str) -> RunPlace | None:
        """Return where a run is; None for an unknown one."""
        return self._first(Run.id == run_id)

    def find_many(self, run_ids: Sequence[str]) -> dict[str, RunPlace]:
        """Return where runs are, by id; unknown ones and those that are being deleted are missing."""
        with self._database.read() as connection:
            return {row[0]: RunPlace(*row) for row in _BY_IDS.rows(connection, {"run_ids": run_ids})}

    def newest_of(self, project_id: str, limit: int) -> list[RunPlace]:
        """Return where the newest runs of a project are; archived ones and those that are being deleted are missing."""
        query = _PLACES.where(Run.project_id == project_id, Run.deleted_at.is_(None), Run.archived_at.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(Run.created_at.desc(), Run.id).limit(limit)).mappings()
            return [RunPlace(**row) for row in rows]

    def dataset_root(self, run_id: str) -> str | None:
        """Return the folder of the images that a run reads; None where that is not recorded."""
        query = select(Dataset.root).join(Run, Run.dataset_id == Dataset.id).where(Run.id == run_id)
        with self._database.read() as connection:
            return connection.scalar(query)

    def _first(self, condition: object) -> RunPlace | None:
        with self._database.read() as connection:
            row = connection.execute(_PLACES.where(condition)).mappings().first()  # type: ignore[arg-type]
            return RunPlace(**row) if row else None


_PLACES = select(
    Run.id.label("run_id"), Run.project_id, Run.name, Run.attempt, Run.state, Run.run_dir, Run.checkpoint_dir
)
_BY_IDS = Prepared(_PLACES.where(Run.id.in_(bindparam("run_ids", expanding=True)), Run.deleted_at.is_(None)))
"""Asked at nearly every request."""
